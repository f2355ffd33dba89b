"""The writer reading from a bus on Pub/Sub: every record arrives, whatever happens on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.writer.environment import WriterEnvironment, WriterLimits, WriterTotals
from services.writer.schemas import Schemas
from services.writer.service import Writer
from shared.bus import Bus, Message
from shared.catalog import load_catalog
from shared.catalog.selection import SelectionRules, select
from shared.clock import SystemClock
from shared.objects import open_objects
from shared.record import Record, RecordBatch, Source, Version
from shared.record.codec import BatchCodec
from shared.urls import url_of
from shared.warehouse import DuckdbWarehouse, open_duckdb
from tests.bus.pubsub_world import World, running_world

LIMITS = WriterLimits(linger_seconds=0.01, retry_seconds=0.0)


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    async with running_world(monkeypatch) as world:
        world.make_plain()
        yield world


@pytest.fixture
async def warehouse(tmp_path: Path) -> AsyncIterator[DuckdbWarehouse]:
    warehouse = await open_duckdb(url_of("duckdb", tmp_path / "warehouse.duckdb"))
    yield warehouse
    await warehouse.close()


@pytest.fixture
async def codec(tmp_path: Path) -> BatchCodec:
    objects = await open_objects(url_of("file", tmp_path / "objects"))
    return BatchCodec(objects, lambda: "claims/one", limit=100_000)


def writer(bus: Bus, warehouse: DuckdbWarehouse, codec: BatchCodec) -> Writer:
    catalog = load_catalog()
    env = WriterEnvironment(
        bus=bus,
        warehouse=warehouse,
        codec=codec,
        schemas=Schemas(catalog, select(catalog, SelectionRules(only=("deals",))), SelectionRules()),
        clock=SystemClock(),
        observer=WriterTotals(),
        limits=LIMITS,
    )
    return Writer(env)


async def publish(bus: Bus, codec: BatchCodec, first: int, count: int) -> None:
    records = [Record(str(number), "upsert", Version(1, 1)) for number in range(first, first + count)]
    await bus.publish(await codec.encode(RecordBatch("deals", "42", Source.BACKFILL, "run-1", records)))


async def test_a_writer_that_drains_writes_everything_there_is(
    world: World, warehouse: DuckdbWarehouse, codec: BatchCodec
) -> None:
    bus = await world.open()
    for page in range(20):
        await publish(bus, codec, page * 100, 100)
    await bus.publish([Message(b"garbage")])
    world.server.fault("Acknowledge", "lose")
    draining = writer(bus, warehouse, codec)
    draining.drain()
    await draining.run()
    assert (await warehouse.query("SELECT count(*) FROM deals")).rows[0][0] == 2_000
    assert world.subscription.unacked == []
    assert [letter.message.body for letter in await bus.dead_letters(limit=10)] == [b"garbage"]


async def test_a_writer_that_is_stopped_leaves_the_rest_to_the_next(
    world: World, warehouse: DuckdbWarehouse, codec: BatchCodec
) -> None:
    bus = await world.open()
    for page in range(60):
        await publish(bus, codec, page * 100, 100)
    first = writer(bus, warehouse, codec)
    running = asyncio.create_task(first.run())
    while not world.subscription.acks:  # noqa: ASYNC110 -- at the other end of a line
        await asyncio.sleep(0.001)
    first.stop()
    await running
    await bus.close()
    assert not world.subscription.leases
    again = await world.open()
    second = writer(again, warehouse, codec)
    second.drain()
    await second.run()
    assert (await warehouse.query("SELECT count(*) FROM deals")).rows[0][0] == 6_000
    assert world.subscription.unacked == []
    assert set(world.subscription.acks.values()) == {1}
