"""What happens when a receiver does not say yes."""

from __future__ import annotations

import socket

import pytest

from services.sandbox import Limits, Sandbox, SandboxSettings
from services.sandbox.zone import instant
from shared.clock import ManualClock
from tests.sandbox.api import Api
from tests.sandbox.hooks import receiving, register
from tests.sandbox.test_webhook_deliveries import sending, signature_is_right

HOUR_US = 3_600_000_000


@pytest.mark.parametrize("status", [301, 400, 404, 500])
async def test_anything_but_a_yes_is_sent_again(status: int) -> None:
    async with sending(1) as (sandbox, receiver, hooks):
        receiver.answer = lambda number: status if number == 1 else 204
        sandbox.organization.put("tasks")
        await sandbox.webhooks.idle()
        first, second = receiver.calls
        assert first.body == second.body
        assert signature_is_right(second, hooks[1]["attributes"]["signature_token"])
        assert first.headers["Productive-Signature"] != second.headers["Productive-Signature"]
        assert [attempt.status for attempt in sandbox.webhooks.sent] == [status, 204]
        assert (sandbox.webhooks.counters.failures, sandbox.webhooks.counters.delivered) == (1, 1)


async def test_it_is_sent_twelve_more_times_over_48_hours() -> None:
    async with sending(1, deactivate_after=100) as (sandbox, receiver, _):
        receiver.answer = lambda _number: 503
        sandbox.organization.put("tasks")
        await sandbox.webhooks.idle()
        assert len(receiver.calls) == 13
        sent = sandbox.webhooks.sent
        assert sent[-1].sent_us - sent[0].sent_us == 48 * HOUR_US
        assert [attempt.attempt for attempt in sent] == list(range(13))
        assert sandbox.webhooks.counters.given_up == 1


async def test_a_shorter_time_scale_shortens_the_waits() -> None:
    clock = ManualClock(start_us=instant("2026-11-21T09:00:00+01:00"))
    settings = SandboxSettings(people=2, limits=Limits(time_scale=100))
    async with receiving() as receiver, Sandbox(settings, clock=clock) as sandbox:
        receiver.answer = lambda number: 500 if number == 1 else 200
        await register(sandbox, receiver.url, (1,))
        sandbox.organization.put("tasks")
        await sandbox.webhooks.idle()
        first, second = sandbox.webhooks.sent
        assert second.sent_us - first.sent_us == 4 * HOUR_US // 100


async def test_a_webhook_works_then_has_issues_and_then_works_again() -> None:
    async with sending(24, concurrency=1, deactivate_after=5) as (sandbox, receiver, hooks):
        organization, hook = sandbox.organization, hooks[24]["id"]
        task = organization.ids("tasks")[0]

        def state() -> int:
            value: int = organization.resource("webhooks", hook)["attributes"]["state_id"]
            return value

        seen: list[int] = []

        def answer(number: int) -> int:
            seen.append(state())
            return 500 if number in (2, 3, 4) else 200

        receiver.answer = answer
        assert state() == 3
        organization.put("tasks", task, attributes={"title": "One"})
        await sandbox.webhooks.idle()
        organization.put("tasks", task, attributes={"title": "Two"})
        await sandbox.webhooks.idle()
        assert seen == [3, 1, 1, 1, 2]
        attributes = organization.resource("webhooks", hook)["attributes"]
        assert (attributes["state_id"], attributes["retry_attempts"]) == (1, None)


async def test_after_twelve_failures_in_a_row_it_is_switched_off_and_nothing_is_sent_any_more() -> None:
    async with sending(1, 24) as (sandbox, receiver, hooks):
        receiver.answer = lambda _number: 500
        task = sandbox.organization.put("tasks")
        await sandbox.webhooks.idle()
        async with Api(sandbox) as api:
            attributes = (await api.get(f"webhooks/{hooks[1]['id']}")).data["attributes"]
        assert attributes["state_id"] == 2
        assert attributes["active"] is False
        assert attributes["deactivated_at"]
        assert len(receiver.calls) == 12
        assert sandbox.webhooks.counters.withdrawn == 1
        receiver.answer = lambda _number: 200
        sandbox.organization.put("tasks")
        sandbox.organization.put("tasks", task, attributes={"title": "The other webhook still works"})
        await sandbox.webhooks.idle()
        assert [call.path for call in receiver.calls[12:]] == ["/24"]


async def test_a_webhook_that_was_switched_off_is_made_anew() -> None:
    async with sending(1) as (sandbox, receiver, hooks):
        receiver.answer = lambda number: 500 if number <= 12 else 200
        sandbox.organization.put("tasks")
        await sandbox.webhooks.idle()
        async with Api(sandbox) as api:
            await api.send("DELETE", f"webhooks/{hooks[1]['id']}")
        again = await register(sandbox, receiver.url, (1,))
        task = sandbox.organization.put("tasks")
        await sandbox.webhooks.idle()
        assert receiver.told[-1] == ("create_task", int(task))
        assert signature_is_right(receiver.calls[-1], again[1]["attributes"]["signature_token"])
        assert len(receiver.calls) == 13


async def test_a_removed_webhook_is_not_retried() -> None:
    async with sending(1) as (sandbox, receiver, hooks):

        def refuse(_number: int) -> int:
            sandbox.organization.remove("webhooks", hooks[1]["id"])
            return 500

        receiver.answer = refuse
        sandbox.organization.put("tasks")
        await sandbox.webhooks.idle()
        assert len(receiver.calls) == 1
        assert sandbox.webhooks.counters.withdrawn == 1


@pytest.mark.parametrize(
    "target", ["http://127.0.0.1:{port}/x", "http://127.0.0.1:{port}/\u0000", "https://["]
)
async def test_a_receiver_that_is_not_there_is_a_failure_without_a_status(target: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        async with sending(retry_seconds=()) as (sandbox, receiver, _):
            hook = (await register(sandbox, receiver.url, (1,)))[1]["id"]
            url = target.format(port=taken.getsockname()[1])
            sandbox.organization.put("webhooks", hook, attributes={"target_url": url})
            sandbox.organization.put("tasks")
            await sandbox.webhooks.idle()
            assert [attempt.status for attempt in sandbox.webhooks.sent] == [None]
            assert sandbox.webhooks.counters.given_up == 1


async def test_a_receiver_that_does_not_answer_in_time_has_failed() -> None:
    async with sending(retry_seconds=(), timeout=0.05) as (sandbox, _receiver, _):
        server = socket.create_server(("127.0.0.1", 0))
        with server:
            await register(sandbox, f"http://127.0.0.1:{server.getsockname()[1]}", (1,))
            sandbox.organization.put("tasks")
            await sandbox.webhooks.idle()
        assert [attempt.status for attempt in sandbox.webhooks.sent] == [None]


async def test_every_attempt_is_logged_and_found_by_its_webhook() -> None:
    async with sending(1) as (sandbox, receiver, hooks), Api(sandbox) as api:
        receiver.answer = lambda number: 500 if number == 1 else 200
        task = sandbox.organization.put("tasks")
        await sandbox.webhooks.idle()
        reply = await api.get("webhook_logs", {"filter[webhook_id]": hooks[1]["id"], "include": "webhook"})
        first, second = (record["attributes"] for record in reply.data)
        assert first["payload"].encode() == second["payload"].encode() == receiver.calls[0].body
        assert str(task) in first["payload"]
        assert [(one["retry_attempt"], one["status_code"], one["success"]) for one in (first, second)] == [
            (0, 500, False),
            (1, 200, True),
        ]
        assert first["retry_job_id"] == second["retry_job_id"]
        assert first["response_code"] == 500
        assert first["response_body"] == "as you say"
        assert first["target_url"] == f"{receiver.url}/1"
        assert reply.data[0]["relationships"]["webhook"]["data"]["id"] == hooks[1]["id"]
        flag = {"X-Feature-Flags": "filteringSkipDatetimeCastToDate"}
        later = {"filter[webhook_id]": hooks[1]["id"], "filter[after]": second["created_at"]}
        assert (await api.get("webhook_logs", later, flag)).ids == [reply.data[1]["id"]]


async def test_only_failures_are_logged_where_that_is_chosen() -> None:
    async with sending(1, logs_successes=False) as (sandbox, receiver, _):
        receiver.answer = lambda number: 500 if number == 1 else 200
        before = sandbox.organization.count("webhook_logs")
        sandbox.organization.put("tasks")
        await sandbox.webhooks.idle()
        assert sandbox.organization.count("webhook_logs") == before + 1


async def test_the_log_forgets_the_oldest() -> None:
    async with sending(24, log_rows=3, sent_size=2, concurrency=1) as (sandbox, receiver, _):
        organization, before = sandbox.organization, sandbox.organization.ids("webhook_logs")
        for task in organization.ids("tasks")[:5]:
            organization.put("tasks", task, attributes={"title": "x"})
        await sandbox.webhooks.idle()
        logged = organization.ids("webhook_logs")
        assert logged[: len(before)] == before
        payloads = [
            organization.resource("webhook_logs", one)["attributes"]["payload"] for one in logged[-3:]
        ]
        assert [text.encode() for text in payloads] == [call.body for call in receiver.calls[-3:]]
        assert len(logged) == len(before) + 3
        assert len(sandbox.webhooks.sent) == 2
