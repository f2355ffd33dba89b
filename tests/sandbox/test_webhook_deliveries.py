"""What a delivery looks like, and how it is signed."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from services.sandbox import Sandbox, SandboxSettings, WebhookSettings
from services.sandbox.zone import instant, stamp
from shared.clock import ManualClock
from tests.sandbox.hooks import Call, Receiver, receiving, register, with_to_one


@asynccontextmanager
async def sending(
    *events: int, **settings: Any
) -> AsyncIterator[tuple[Sandbox, Receiver, dict[int, dict[str, Any]]]]:
    clock = ManualClock(start_us=instant("2026-11-21T09:00:00+01:00"))
    made = SandboxSettings(people=5, webhooks=WebhookSettings(**settings))
    async with receiving() as receiver, Sandbox(made, clock=clock) as sandbox:
        yield sandbox, receiver, await register(sandbox, receiver.url, events)


def signature_is_right(call: Call, token: str) -> bool:
    parts = dict(part.strip().split("=", 1) for part in call.headers["Productive-Signature"].split(","))
    message = parts["t"].encode() + b"." + call.body
    return parts["s"] == hmac.new(token.encode(), message, hashlib.sha256).hexdigest()


async def test_a_delivery_is_signed_with_the_webhooks_own_token() -> None:
    async with sending(1, 24) as (sandbox, receiver, hooks):
        task = sandbox.organization.put("tasks", attributes={"title": "Größe – 美咲"})
        sandbox.organization.put("tasks", task, attributes={"title": "Renamed"})
        await sandbox.webhooks.idle()
        assert len(receiver.calls) == 2
        for call in receiver.calls:
            token = hooks[int(call.path[1:])]["attributes"]["signature_token"]
            assert signature_is_right(call, token)
            assert not signature_is_right(call, sandbox.token)
            assert call.headers["Content-Type"] == "application/json"


async def test_both_spellings_of_the_signature_occur() -> None:
    async with sending(24) as (sandbox, receiver, _):
        for number in range(4):
            sandbox.organization.put(
                "tasks", sandbox.organization.ids("tasks")[0], attributes={"title": str(number)}
            )
        await sandbox.webhooks.idle()
        spelled = [", " in call.headers["Productive-Signature"] for call in receiver.calls]
        assert sorted(spelled) == [False, False, True, True]


async def test_the_time_of_a_signature_is_that_of_sending() -> None:
    async with sending(24, delay=3_600) as (sandbox, receiver, _):
        sandbox.organization.put("tasks", sandbox.organization.ids("tasks")[0], attributes={"title": "x"})
        await sandbox.webhooks.idle()
        call = receiver.calls[0]
        sent = int(call.headers["Productive-Signature"].split(",")[0].removeprefix("t="))
        assert sent - instant(call.document["created"]) // 1_000_000 == 3_600


async def test_a_delivery_tells_the_state_after_the_change_and_lacks_some_of_it() -> None:
    async with sending(24, cut_share=0) as (sandbox, receiver, _):
        organization = sandbox.organization
        task = next(one["id"] for one in organization.resources("tasks") if _project(one))
        organization.put("tasks", task, attributes={"title": "Renamed"})
        whole = organization.resource("tasks", task)
        organization.put("tasks", task, attributes={"title": "Again"})
        await sandbox.webhooks.idle()
        document = receiver.calls[0].document
        assert document["item_id"] == int(task)
        assert document["created"] == whole["attributes"]["updated_at"]
        data = document["object"]["data"]
        assert (data["id"], data["type"]) == (task, "tasks")
        assert data["attributes"] == whole["attributes"]
        told = data["relationships"]
        assert "task_list" not in told
        assert told["project"] == whole["relationships"]["project"]
        assert told["organization"] == whole["relationships"]["organization"]
        assert told["creator"] == {"meta": {"included": False}}
        assert {one["type"] for one in document["object"]["included"]} <= {"projects", "people"}
        assert _project(whole) in [one["id"] for one in document["object"]["included"]]


def _project(task: dict[str, Any]) -> str | None:
    end = task["relationships"]["project"]["data"]
    return end["id"] if end else None


async def test_partial_deliveries_may_lack_attributes() -> None:
    async with sending(24, cut_share=1) as (sandbox, receiver, _):
        task = sandbox.organization.ids("tasks")[0]
        sandbox.organization.put("tasks", task, attributes={"title": "Renamed"})
        await sandbox.webhooks.idle()
        told = receiver.calls[0].document["object"]["data"]["attributes"]
        whole = sandbox.organization.resource("tasks", task)["attributes"]
        assert 0 < len(told) < len(whole)
        assert told.items() <= whole.items()


async def test_a_complete_delivery_holds_everything_but_lists() -> None:
    async with sending(8, complete_share=1) as (sandbox, receiver, _):
        entry = sandbox.organization.ids("time_entries")[0]
        sandbox.organization.put("time_entries", entry, attributes={"time": 45})
        await sandbox.webhooks.idle()
        data = receiver.calls[0].document["object"]["data"]
        assert data == with_to_one(sandbox.organization.resource("time_entries", entry))


@pytest.mark.parametrize("told", [True, False])
async def test_a_delete_may_come_without_the_record(told: bool) -> None:
    async with sending(19, delete_with_object=told, complete_share=1) as (sandbox, receiver, _):
        booking = sandbox.organization.ids("bookings")[0]
        before = sandbox.organization.resource("bookings", booking)
        sandbox.organization.remove("bookings", booking)
        await sandbox.webhooks.idle()
        document = receiver.calls[0].document
        assert document["item_id"] == int(booking)
        assert ("object" in document) is told
        if told:
            assert document["object"]["data"] == with_to_one(before)


@pytest.mark.parametrize("sent", [True, False])
async def test_custom_headers_are_sent_or_not(sent: bool) -> None:
    async with sending(sends_custom_headers=sent) as (sandbox, receiver, _):
        values = {"X-Ours": "yes", "X-Wrong": ["no text"]}
        hook = (await register(sandbox, receiver.url, (1,)))[1]["id"]
        sandbox.organization.put("webhooks", hook, attributes={"custom_headers": values})
        sandbox.organization.put("tasks")
        await sandbox.webhooks.idle()
        assert receiver.calls[0].headers.get("X-Ours") == ("yes" if sent else None)
        assert "X-Wrong" not in receiver.calls[0].headers


async def test_the_old_webhooks_of_others_are_left_alone() -> None:
    async with sending() as (sandbox, receiver, _):
        for old in sandbox.organization.ids("webhooks"):
            sandbox.organization.put("webhooks", old, attributes={"target_url": receiver.url})
        sandbox.organization.put("tasks")
        sandbox.organization.put("time_entries")
        await sandbox.webhooks.idle()
        assert receiver.calls == []
        assert sandbox.webhooks.counters.queued == 0


async def test_the_same_seed_tells_the_same() -> None:
    bodies = []
    for _ in range(2):
        async with sending(24, 12, 16, complete_share=0.3, concurrency=1) as (sandbox, receiver, _):
            for table in ("tasks", "deals"):
                for identifier in sandbox.organization.ids(table)[:10]:
                    sandbox.organization.put(table, identifier, attributes={"note": "x"})
            await sandbox.webhooks.idle()
            bodies.append([call.body for call in receiver.calls])
    assert bodies[0] == bodies[1]
    assert len(bodies[0]) == 20


async def test_what_was_sent_is_remembered_with_its_times() -> None:
    async with sending(1, delay=2) as (sandbox, _, hooks):
        task = sandbox.organization.put("tasks")
        await sandbox.webhooks.idle()
        (attempt,) = sandbox.webhooks.sent
        assert attempt[:6] == (hooks[1]["id"], 1, "tasks", task, 0, 200)
        assert attempt.sent_us - attempt.changed_us >= 2_000_000
        assert (
            stamp(attempt.changed_us)
            == sandbox.organization.resource("tasks", task)["attributes"]["created_at"]
        )
