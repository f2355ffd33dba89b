"""The bus or the objects fail, and no delivery that was answered with 200 is lost."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from services.ingest.delivery import Delivery
from services.ingest.receiver.service import Receiver
from services.ingest.receiver.spool import PREFIX, Spool
from shared.bus import Message
from shared.clock import ManualClock
from shared.errors import StorageError
from tests.ingest.receiver.world import (
    QUICK,
    TOKEN,
    Client,
    State,
    World,
    eventually,
    open_world,
    running,
)

BODIES = [b"%d" % number for number in range(40)]
NO_SWEEP = replace(QUICK, sweep_seconds=60.0, sweep_idle_seconds=60.0)


async def deliver_all(client: Client, bodies: list[bytes]) -> set[int]:
    return {got.status for got in await asyncio.gather(*(client.deliver(body) for body in bodies))}


async def swept(world: World) -> None:
    await eventually(lambda: world.metric("productive_receiver_spool_bytes") == 0)


@pytest.mark.parametrize("state", ["down", "hanging"])
async def test_while_the_bus_fails_deliveries_wait_in_the_spool_and_then_go_onto_the_bus(
    world: World, client: Client, state: State
) -> None:
    world.bus.state = state
    assert await deliver_all(client, BODIES) == {200}
    assert len(await world.spooled()) > 0
    assert world.metric("productive_receiver_deliveries_total", outcome="spooled") == len(BODIES)
    assert world.metric("productive_receiver_intake_up") == 0
    assert (await client.get("/readyz")).status == 200

    world.bus.state = "working"
    await swept(world)
    assert sorted(delivery.body for delivery in await world.bus.deliveries()) == sorted(BODIES)
    assert await world.spooled() == []
    assert world.metric("productive_receiver_swept_total") == len(BODIES)
    assert (await client.deliver(b"afterwards")).status == 200
    assert world.metric("productive_receiver_deliveries_total", outcome="accepted") == 1


async def test_a_full_bus_is_a_bus_that_fails(tmp_path: Path) -> None:
    async with open_world(tmp_path, bus_bytes=5_000) as world, running(world) as client:
        bodies = [bytes([number]) * 1_000 for number in range(20)]
        assert await deliver_all(client, bodies) == {200}
        assert await world.spooled()
        # Whatever is taken from the bus makes room for what is swept.
        found: set[bytes] = set()
        while len(found) < len(bodies):
            found |= {delivery.body for delivery in await world.bus.deliveries()}
            await asyncio.sleep(0.01)
        assert found == set(bodies)
        await swept(world)


async def test_a_publish_that_was_given_up_may_still_happen_and_the_delivery_comes_twice(
    world: World, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = world.bus.publish

    async def publish_but_never_say(messages: list[Message]) -> None:
        await publish(messages)
        await asyncio.Event().wait()

    with monkeypatch.context() as patch:
        patch.setattr(world.bus, "publish", publish_but_never_say)
        assert (await client.deliver(b"body")).status == 200
    await eventually(lambda: world.metric("productive_receiver_swept_total") == 1)
    assert {delivery.body for delivery in await world.bus.deliveries()} == {b"body"}


async def test_not_every_request_waits_for_a_bus_that_hangs(world: World) -> None:
    slow = replace(NO_SWEEP, publish_seconds=0.2, first_pause_seconds=60.0, longest_pause_seconds=60.0)
    async with running(world.limited(slow)) as client:
        world.bus.state = "hanging"
        assert (await client.deliver(b"first")).status == 200
        asked = world.bus.batches
        world.bus.state = "working"
        # The circuit is open: the spool takes these although the bus would.
        assert await deliver_all(client, BODIES) == {200}
        assert asked == []


@pytest.mark.parametrize("state", ["down", "hanging"])
async def test_when_neither_takes_anything_productive_shall_try_again(tmp_path: Path, state: State) -> None:
    clock = ManualClock()
    async with open_world(tmp_path, limits=NO_SWEEP, clock=clock) as world, running(world) as client:
        world.bus.state = world.objects.state = state
        for reason in ("tried", "not even tried"):
            got = await client.deliver(b"body")
            assert (got.status, got.headers["retry-after"]) == (503, "30"), reason
        assert world.metric("productive_receiver_shed_total", reason="storage") == 2
        assert world.metric("productive_receiver_spool_up") == 0
        assert (await client.get("/readyz")).status == 503
        assert (await client.get("/healthz")).status == 200

        world.bus.state = world.objects.state = "working"
        clock.advance(NO_SWEEP.longest_pause_seconds)
        assert (await client.get("/readyz")).status == 200
        assert (await client.deliver(b"body")).status == 200
        assert world.metric("productive_receiver_intake_up") == 1
        assert [delivery.body for delivery in await world.bus.deliveries()] == [b"body"]


async def test_who_waited_for_a_call_that_failed_does_not_wait_for_another(tmp_path: Path) -> None:
    clock = ManualClock()
    one_by_one = replace(NO_SWEEP, lanes=1, batch_items=1)
    async with open_world(tmp_path, limits=one_by_one, clock=clock) as world, running(world) as client:
        world.bus.state = world.objects.state = "hanging"
        async with asyncio.timeout(len(BODIES) * one_by_one.publish_seconds / 2):
            assert await deliver_all(client, BODIES) == {503}
        assert world.metric("productive_receiver_spool_bytes") == 0


async def test_a_full_spool_is_a_503_until_it_is_swept(world: World) -> None:
    small = replace(QUICK, spool_bytes=20_000, longest_pause_seconds=0.1)
    async with running(world.limited(small)) as client:
        world.bus.state = "down"
        statuses = [(await client.deliver(bytes([number]) * 6_000)).status for number in range(6)]
        assert statuses == [200, 200, 200, 503, 503, 503]
        world.bus.state = "working"
        await swept(world)
        assert len(await world.bus.deliveries()) == 3


async def test_a_refused_delivery_is_not_taken_for_a_duplicate_when_it_is_sent_again(tmp_path: Path) -> None:
    clock = ManualClock()
    async with open_world(tmp_path, limits=NO_SWEEP, clock=clock) as world, running(world) as client:
        await refuse_then_accept(world, client, clock)


async def refuse_then_accept(world: World, client: Client, clock: ManualClock) -> None:
    request = client.head(b"body") + b"body"
    world.bus.state = world.objects.state = "down"
    assert (await client.send(request)).status == 503
    world.bus.state = world.objects.state = "working"
    clock.advance(NO_SWEEP.longest_pause_seconds)
    assert (await client.send(request)).status == 200
    assert len(await world.bus.deliveries()) == 1


async def test_deliveries_that_come_together_are_spooled_together(world: World, client: Client) -> None:
    world.bus.state = "down"
    assert await deliver_all(client, BODIES) == {200}
    assert len(await world.spooled()) < len(BODIES) / 2


async def test_a_receiver_sweeps_what_the_one_before_it_has_left(tmp_path: Path) -> None:
    async with open_world(tmp_path, limits=NO_SWEEP) as world, running(world) as client:
        world.bus.state = "down"
        assert await deliver_all(client, BODIES) == {200}
    async with open_world(tmp_path) as world, running(world):
        await eventually(lambda: world.metric("productive_receiver_swept_total") == len(BODIES))
        assert sorted(delivery.body for delivery in await world.bus.deliveries()) == sorted(BODIES)


async def test_an_object_that_is_no_spool_is_kept_aside_and_does_not_stop_the_others(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    await world.objects.write(f"{PREFIX}00000000000000001-5-0123456789abcdef", b"torn")
    await world.objects.write(f"{PREFIX}zzz", b"somebody else's")
    spool = Spool(world.objects, world.env.clock, max_bytes=1 << 20)
    delivery = Delivery(1, 1, b"body")
    assert spool.reserve(delivery)
    await spool.write([delivery])
    async with running(world):
        await swept(world)
        await eventually(lambda: world.metric("productive_receiver_unreadable_total") == 2)
    assert [delivery.body for delivery in await world.bus.deliveries()] == [b"body"]
    assert [(await world.objects.read(name)) is not None for name in await world.unreadable()] == [True, True]
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]


async def test_an_object_that_the_store_cannot_read_waits_while_others_are_swept(
    world: World, client: Client
) -> None:
    world.bus.state = "down"
    assert (await client.deliver(b"first")).status == 200
    [world.objects.unreadable] = await world.spooled()
    assert (await client.deliver(b"second")).status == 200
    world.bus.state = "working"
    await eventually(lambda: world.metric("productive_receiver_swept_total") == 1)
    world.objects.unreadable = ""
    await eventually(lambda: world.metric("productive_receiver_swept_total") == 2)
    assert [delivery.body for delivery in await world.bus.deliveries()] == [b"second", b"first"]


async def test_a_sweep_that_fails_in_a_way_nobody_foresaw_is_tried_again(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = asyncio.Event()

    async def fail(prefix: str = "") -> list[str]:
        if prefix == PREFIX and asyncio.current_task() is not starting:
            tried.set()
        raise ValueError("a bug")

    world.bus.state = "down"
    async with running(world) as client:
        starting = asyncio.current_task()
        assert (await client.deliver(b"body")).status == 200
        with monkeypatch.context() as patch:
            patch.setattr(world.objects, "list", fail)
            await tried.wait()
        world.bus.state = "working"
        await eventually(lambda: world.metric("productive_receiver_swept_total") == 1)
    assert "a bug" in caplog.text


async def test_a_store_that_reads_nothing_is_left_alone_until_the_next_sweep(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(150):
        await world.objects.write(f"{PREFIX}{number:017d}-5-0123456789abcdef", b"")
    reads = 0

    async def fail(name: str) -> None:
        nonlocal reads
        reads += 1
        raise StorageError("a bad disk")

    monkeypatch.setattr(world.objects, "read", fail)
    world = world.limited(replace(QUICK, sweep_seconds=60.0))
    async with running(world):
        await eventually(lambda: reads >= 100)
        assert world.metric("productive_receiver_spool_bytes") > 0
    assert reads == 100


async def test_two_receivers_may_share_a_bus_and_a_spool(world: World) -> None:
    async with running(world) as one, running(world) as other:
        world.bus.state = "down"
        assert await deliver_all(one, BODIES[:20]) == {200}
        assert await deliver_all(other, BODIES[20:]) == {200}
        world.bus.state = "working"
        found: set[bytes] = set()
        while len(found) < len(BODIES):
            found |= {delivery.body for delivery in await world.bus.deliveries()}
            await asyncio.sleep(0.01)


async def test_what_is_under_way_is_answered_when_the_receiver_stops(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish, asked, go_on = world.bus.publish, asyncio.Event(), asyncio.Event()

    async def publish_later(messages: list[Message]) -> None:
        asked.set()
        await go_on.wait()
        await publish(messages)

    monkeypatch.setattr(world.bus, "publish", publish_later)
    receiver = Receiver(replace(world.env, limits=replace(QUICK, publish_seconds=5.0)))
    client = Client(await receiver.start())
    running_receiver = asyncio.create_task(receiver.run())
    async with client.connected() as (idle, _):
        delivering = asyncio.create_task(client.deliver(b"body"))
        await asked.wait()
        receiver.stop()
        assert await idle.read() == b""
        assert not receiver.is_ready
        with pytest.raises(ConnectionRefusedError):
            await client.deliver(b"too late")
        go_on.set()
        assert (await delivering).status == 200
        await running_receiver
    assert [delivery.body for delivery in await world.bus.deliveries()] == [b"body"]


async def test_neither_a_slow_client_nor_a_hanging_store_keeps_the_receiver_from_stopping(
    world: World,
) -> None:
    patient = replace(QUICK, publish_seconds=600.0, spool_seconds=600.0, shutdown_seconds=0.05)
    receiver = Receiver(replace(world.env, limits=patient))
    client = Client(await receiver.start())
    world.bus.state = world.objects.state = "hanging"
    async with client.connected() as (slow, slow_writer), client.connected() as (cut, cut_writer):
        slow_writer.write(client.head(b"body") + b"bo")
        cut_writer.write(client.head(b"body") + b"body")
        await eventually(lambda: world.metric("productive_receiver_connections") == 2)
        async with asyncio.timeout(5):
            await receiver.close()
        assert b" 200 " not in await slow.read()
        assert b" 200 " not in await cut.read()


async def test_no_error_or_log_line_shows_a_token(
    world: World, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    world.bus.state = world.objects.state = "down"
    await client.deliver(b"body")
    world.tokens.is_down = True
    await client.deliver(b"body")
    assert caplog.records
    assert TOKEN.reveal() not in caplog.text
    assert TOKEN.reveal() not in repr(world.env)
