"""Connections: idle, slow, too many, while good deliveries come in."""

from __future__ import annotations

import asyncio
import contextlib
import resource
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from services.ingest.receiver.guard import connections_for, raise_file_limit
from shared.bus import Message
from tests.ingest.receiver.world import QUICK, Client, World, answer, eventually, running


@contextlib.asynccontextmanager
async def idle_connections(client: Client, count: int) -> AsyncIterator[list[asyncio.StreamReader]]:
    async with contextlib.AsyncExitStack() as stack:
        yield [(await stack.enter_async_context(client.connected()))[0] for _ in range(count)]


@contextlib.asynccontextmanager
async def idle_slow_bodies(client: Client) -> AsyncIterator[list[asyncio.StreamReader]]:
    async with client.connected() as (first, first_writer), client.connected() as (second, second_writer):
        for writer in (first_writer, second_writer):
            writer.write(client.head(b"body") + b"b")
        yield [first, second]


async def test_good_deliveries_come_in_beside_two_thousand_idle_connections(
    world: World, client: Client
) -> None:
    # Nobody needs more than the receiver's own default.
    count = min(2_000, raise_file_limit() // 2 - 200)
    async with idle_connections(client, count):
        await eventually(lambda: world.metric("productive_receiver_connections") == count)
        bodies = [b"%d" % number for number in range(100)]
        answers = await asyncio.gather(*(client.deliver(body) for body in bodies))
        assert {got.status for got in answers} == {200}
        assert (await client.get("/healthz")).status == 200
    assert len(await world.bus.deliveries()) == len(bodies)


async def test_over_the_bound_the_connection_that_was_silent_for_longest_makes_room(world: World) -> None:
    async with running(world.limited(replace(QUICK, connections=5))) as client:
        async with idle_connections(client, 5) as idle:
            await eventually(lambda: world.metric("productive_receiver_connections") == 5)
            assert (await client.deliver(b"body")).status == 200
            assert await idle[0].read() == b""
            assert world.metric("productive_receiver_connections_closed_total") == 1
            assert not any(reader.at_eof() for reader in idle[1:])
        await eventually(lambda: world.metric("productive_receiver_connections") == 0)


async def test_a_flood_of_new_connections_never_exceeds_the_bound(world: World) -> None:
    world = world.limited(replace(QUICK, connections=5))
    async with running(world) as client, idle_connections(client, 60):
        await eventually(lambda: world.metric("productive_receiver_connections_closed_total") == 55)
        assert world.metric("productive_receiver_connections") == 5
        assert (await client.deliver(b"body")).status == 200


async def test_slow_bodies_make_room_too(world: World) -> None:
    world = world.limited(replace(QUICK, connections=2))
    async with running(world) as client, idle_slow_bodies(client) as (first, _):
        await eventually(lambda: world.metric("productive_receiver_bodies_bytes") == 2)
        assert (await client.deliver(b"body")).status == 200
        assert await first.read() == b""


async def test_a_request_under_way_is_not_closed_for_a_new_connection(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish, go_on = world.bus.publish, asyncio.Event()

    async def publish_later(messages: list[Message]) -> None:
        await go_on.wait()
        await publish(messages)

    monkeypatch.setattr(world.bus, "publish", publish_later)
    patient = replace(QUICK, connections=2, publish_seconds=60.0)
    async with running(world.limited(patient)) as client:
        under_way = [asyncio.create_task(client.deliver(b"%d" % number)) for number in range(2)]
        await eventually(lambda: world.metric("productive_receiver_bodies_bytes") == 2)
        async with client.connected() as (new, _):
            assert await new.read() == b""
        go_on.set()
        assert [(await task).status for task in under_way] == [200, 200]


async def test_a_connection_may_be_used_again_and_is_closed_when_it_is_not(world: World) -> None:
    world = world.limited(replace(QUICK, head_seconds=0.1))
    async with running(world) as client, client.connected() as (reader, writer):
        for body in (b"one", b"two"):
            writer.write(client.head(body) + body)
            assert (await answer(reader)).status == 200
        assert await reader.read() == b""
    assert len(await world.bus.deliveries()) == 2


def test_as_many_connections_are_allowed_as_the_process_may_open_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft - 1, hard))
    limit = raise_file_limit()
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == limit
    assert connections_for(replace(QUICK, connections=10)) == 10
    assert connections_for(replace(QUICK, connections=10 * limit)) < limit
