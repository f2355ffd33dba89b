"""How many deliveries come, and in which order."""

from __future__ import annotations

import asyncio
import socket

from services.sandbox import Sandbox, SandboxSettings, WebhookSettings
from shared.clock import SystemClock
from tests.sandbox.hooks import receiving, register
from tests.sandbox.test_webhook_deliveries import sending


def _rename(sandbox: Sandbox, count: int) -> list[int]:
    tasks = sandbox.organization.ids("tasks")[:count]
    for task in tasks:
        sandbox.organization.put("tasks", task, attributes={"title": "Renamed"})
    return [int(task) for task in tasks]


async def test_deliveries_come_in_order_when_one_is_under_way_at_a_time() -> None:
    async with sending(24, concurrency=1) as (sandbox, receiver, _):
        renamed = _rename(sandbox, 30)
        await sandbox.webhooks.idle()
        assert [identifier for _, identifier in receiver.told] == renamed


async def test_they_can_overtake_each_other() -> None:
    async with sending(24, concurrency=1, shuffle=5) as (sandbox, receiver, _):
        renamed = _rename(sandbox, 30)
        await sandbox.webhooks.idle()
        told = [identifier for _, identifier in receiver.told]
        assert told != renamed
        assert sorted(told) == sorted(renamed)


async def test_they_can_come_twice() -> None:
    async with sending(24, duplicate_share=1) as (sandbox, receiver, _):
        renamed = _rename(sandbox, 10)
        await sandbox.webhooks.idle()
        assert sorted(identifier for _, identifier in receiver.told) == sorted(renamed * 2)
        assert sandbox.webhooks.counters.duplicates == 10


async def test_every_webhook_for_an_event_gets_a_delivery_of_its_own() -> None:
    async with sending(24) as (sandbox, receiver, _):
        await register(sandbox, f"{receiver.url}/second", (24,))
        _rename(sandbox, 1)
        await sandbox.webhooks.idle()
        assert sorted(call.path for call in receiver.calls) == ["/24", "/second/24"]
        assert len({call.body for call in receiver.calls}) == 1


async def test_what_does_not_fit_into_the_queue_is_counted_and_never_sent() -> None:
    async with sending(24, queue_size=5) as (sandbox, receiver, _):
        _rename(sandbox, 12)
        await sandbox.webhooks.idle()
        assert len(receiver.calls) == 5
        assert sandbox.webhooks.counters.dropped == 7


async def test_something_due_sooner_does_not_wait_for_something_due_later() -> None:
    settings = WebhookSettings(retry_seconds=(600,), issues_after=1)
    async with (
        receiving() as receiver,
        Sandbox(SandboxSettings(people=5, webhooks=settings), clock=SystemClock()) as sandbox,
    ):
        has_issues, told = asyncio.Event(), asyncio.Event()

        def answer(number: int) -> int:
            if number == 2:
                told.set()
            return 500 if number == 1 else 200

        receiver.answer = answer
        await register(sandbox, receiver.url, (24,))
        sandbox.organization.subscribe(
            lambda change: has_issues.set() if change.table == "webhooks" else None
        )
        _rename(sandbox, 1)
        await has_issues.wait()
        _rename(sandbox, 1)
        async with asyncio.timeout(20):
            await told.wait()


async def test_stopping_ends_what_is_waiting_and_under_way_and_starting_goes_on() -> None:
    settings = SandboxSettings(people=5, webhooks=WebhookSettings(concurrency=1))
    async with receiving() as receiver:
        sandbox = Sandbox(settings, clock=SystemClock())
        await sandbox.start()
        await register(sandbox, receiver.url, (24,))
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}"
            hook = sandbox.organization.ids("webhooks")[-1]
            sandbox.organization.put("webhooks", hook, attributes={"target_url": url})
            _rename(sandbox, 3)
            silent.setblocking(False)
            connection, _ = await asyncio.get_running_loop().sock_accept(silent)
            await sandbox.stop()
            connection.close()
        await sandbox.webhooks.idle()
        _rename(sandbox, 3)  # nobody is told of what happens while it is stopped
        await sandbox.webhooks.idle()
        sandbox.organization.put("webhooks", hook, attributes={"target_url": receiver.url})
        await sandbox.start()
        renamed = _rename(sandbox, 1)
        await sandbox.webhooks.idle()
        await sandbox.stop()
        assert [identifier for _, identifier in receiver.told] == renamed
