"""The writer takes every message to the warehouse or to the dead letters, and nothing gets lost between."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import uuid4

import pytest

from services.writer.environment import WriterEnvironment, WriterLimits, WriterTotals
from services.writer.schemas import Schemas
from services.writer.service import Writer
from shared.bus import Bus, Message, open_bus
from shared.catalog import load_catalog
from shared.catalog.selection import SelectionRules, select
from shared.clock import SystemClock
from shared.errors import ConfigError, HaltedError, StorageError, UnreachableError
from shared.objects import Objects, open_objects
from shared.record import Record, RecordBatch, Source, Value, Version
from shared.record.codec import BatchCodec
from shared.urls import url_of
from shared.warehouse import DuckdbWarehouse, Row, TableSchema, WriteOutcome, open_duckdb

LIMITS = WriterLimits(linger_seconds=0.01, retry_seconds=0.0)


@dataclass
class Place:
    """Real embedded stores in a folder of the test's own."""

    bus: Bus
    objects: Objects
    warehouse: DuckdbWarehouse
    codec: BatchCodec
    totals: WriterTotals
    history: tuple[str, ...] = ()

    def writer(self, limits: WriterLimits = LIMITS, **changes: object) -> Writer:
        rules = SelectionRules(only=("deals", "tasks"), skip_columns=("deals.name",), history=self.history)
        kept = SelectionRules(history=self.history)
        env = WriterEnvironment(
            bus=self.bus,
            warehouse=self.warehouse,
            codec=self.codec,
            schemas=Schemas(load_catalog(), select(load_catalog(), rules), kept),
            clock=SystemClock(),
            observer=self.totals,
            limits=limits,
        )
        return Writer(replace(env, **changes))  # type: ignore[arg-type]

    async def publish(self, *records: Record, table: str = "deals") -> None:
        batch = RecordBatch(table, "42", Source.BACKFILL, "run-1", list(records))
        await self.bus.publish(await self.codec.encode(batch))

    async def drain(self, limits: WriterLimits = LIMITS) -> None:
        writer = self.writer(limits)
        writer.drain()
        await writer.run()

    async def rows(self, statement: str) -> list[tuple[object, ...]]:
        return [tuple(row) for row in (await self.warehouse.query(statement)).rows]


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    objects = await open_objects(url_of("file", tmp_path / "objects"))
    bus = await open_bus(url_of("sqlite", tmp_path / "bus.sqlite"))
    warehouse = await open_duckdb(url_of("duckdb", tmp_path / "warehouse.duckdb"))
    codec = BatchCodec(objects, lambda: f"claims/{uuid4().hex}", limit=100_000)
    yield Place(bus, objects, warehouse, codec, WriterTotals())
    await warehouse.close()
    await bus.close()
    await objects.close()


def upsert(id_: str, version: int, **data: Value) -> Record:
    return Record(id_, "upsert", Version(version, version), {"id": id_, **data})


async def test_what_is_published_is_written_and_acked(place: Place) -> None:
    await place.publish(upsert("1", 1, currency="EUR"), upsert("2", 1, currency="CHF"))
    await place.publish(upsert("9", 1, title="call"), table="tasks")
    await place.drain()
    assert await place.rows("select id, currency, _run_id from deals order by id") == [
        ("1", "EUR", "run-1"),
        ("2", "CHF", "run-1"),
    ]
    assert await place.rows("select title, _source from tasks") == [("call", "backfill")]
    assert (await place.bus.backlog()).messages == 0
    assert place.totals.applied == {"deals": 2, "tasks": 1}


async def test_the_newest_of_several_versions_wins_whatever_their_order(place: Place) -> None:
    for version in (2, 3, 1):
        await place.publish(upsert("1", version, currency=str(version)))
    await place.publish(Record("2", "delete", Version(5, 5)), upsert("2", 4))
    await place.drain()
    assert await place.rows("select id, currency from deals") == [("1", "3")]


async def test_nonsense_goes_to_the_dead_letters_and_holds_nothing_up(place: Place) -> None:
    await place.bus.publish([Message(b"nonsense")])
    await place.publish(upsert("1", 1))
    await place.publish(upsert("1", 1), table="no_such_table")
    await place.drain()
    assert await place.rows("select count(*) from deals") == [(1,)]
    reasons = [letter.reason for letter in await place.bus.dead_letters(limit=10)]
    assert any("not a record batch" in reason for reason in reasons)
    assert any("no table 'no_such_table'" in reason for reason in reasons)
    assert (await place.bus.backlog()).messages == 0


async def test_one_refused_row_is_set_aside_and_the_others_are_written(place: Place) -> None:
    await place.publish(upsert("1", 1, custom_fields="{"), upsert("2", 1), upsert("3", 1))
    await place.drain()
    assert await place.rows("select id from deals order by id") == [("2",), ("3",)]
    [letter] = await place.bus.dead_letters(limit=10)
    assert letter.reason.startswith("deals 1:")
    decoded = await place.codec.decode(letter.message)
    assert [record.id for record in decoded.batch.records] == ["1"]


async def test_a_replayed_dead_letter_is_written_once_its_cause_is_gone(place: Place) -> None:
    batch = RecordBatch("deals", "42", Source.WEBHOOK, "run-1", [upsert("1", 1)])
    [message] = await place.codec.encode(batch)
    await place.bus.bury(message, "a reason of the past")
    [letter] = await place.bus.dead_letters(limit=10)
    await place.bus.replay([letter.id])
    await place.drain()
    assert await place.rows("select id from deals") == [("1",)]
    assert await place.bus.dead_letters(limit=10) == []


async def test_a_record_too_large_for_a_message_is_redeemed_and_forgotten(place: Place) -> None:
    note = random.Random(1).randbytes(200_000).hex()  # noise, which no compression makes small
    await place.publish(upsert("1", 1, note=note))
    assert len(await place.objects.list("claims/")) == 1
    await place.drain()
    assert await place.rows("select note from deals") == [(note,)]
    assert await place.objects.list("claims/") == []


async def test_a_batch_with_more_columns_widens_the_table_by_those_that_the_catalog_knows(
    place: Place,
) -> None:
    await place.publish(upsert("1", 1, currency="EUR"))
    await place.drain()
    assert "name" not in (await place.warehouse.query("select * from deals")).columns
    await place.publish(upsert("2", 1, name="known", brand_new="kept"))
    await place.drain()
    assert await place.rows("select id, name, _unparsed->>'brand_new' from deals order by id") == [
        ("1", None, None),
        ("2", "known", "kept"),
    ]


async def test_every_version_is_kept_of_the_tables_that_history_is_wanted_of(place: Place) -> None:
    place.history = ("deals",)
    for version in (2, 3, 1):
        await place.publish(upsert("1", version, currency=f"v{version}"))
        await place.publish(upsert("1", version, title=f"v{version}"), table="tasks")
    await place.publish(Record("1", "delete", Version(4, 4)))
    await place.drain()
    assert await place.rows("select currency, _is_current from deals_history order by _valid_from") == [
        ("v1", False),
        ("v2", False),
        ("v3", False),
    ]
    assert await place.rows("select title from tasks") == [("v3",)]
    assert "tasks_history" not in {name for (name,) in await place.rows("show tables")}


async def test_history_that_is_wanted_of_all_tables_is_there_before_a_record_is(place: Place) -> None:
    place.history = ("*",)
    await place.drain()
    assert await place.rows("select count(*) from tasks_history") == [(0,)]
    await place.publish(upsert("1", 1), table="companies")
    await place.drain()
    assert await place.rows("select id from companies_history") == [("1",)]


@dataclass
class _List:
    """A list of records that are kept out, of which the writer hears when it looks."""

    records: set[tuple[str, str]]
    told: set[tuple[str, str]] = field(default_factory=set)
    failure: Exception | None = None

    async def refresh(self) -> None:
        if self.failure is not None:
            raise self.failure
        self.told = set(self.records)

    def holds(self, table: str, record_id: str, /) -> bool:
        return (table, record_id) in self.told


async def test_records_that_are_kept_out_are_acked_and_not_written(place: Place) -> None:
    await place.publish(upsert("1", 1), upsert("2", 1), Record("3", "delete", Version(1, 1)))
    await place.publish(upsert("1", 1), table="tasks")
    writer = place.writer(keep_out=_List({("deals", "1"), ("deals", "3")}))
    writer.drain()
    await writer.run()
    assert await place.rows("select id from deals") == [("2",)]
    assert await place.rows("select id from tasks") == [("1",)]
    assert await place.rows("select count(*) from productive_ingest.tombstones") == [(0,)]
    assert place.totals.kept_out_records == 2
    assert await place.bus.dead_letters(limit=10) == []
    assert (await place.bus.backlog()).messages == 0


async def test_what_is_kept_out_later_is_no_longer_written(place: Place) -> None:
    kept_out = _List(set())
    for version in (1, 2):
        await place.publish(upsert("1", version, currency=f"v{version}"))
        writer = place.writer(keep_out=kept_out)
        writer.drain()
        await writer.run()
        kept_out.records.add(("deals", "1"))
    assert await place.rows("select currency from deals") == [("v1",)]


async def test_nothing_is_written_while_it_is_not_known_what_must_not_be(place: Place) -> None:
    await place.publish(upsert("1", 1))
    writer = place.writer(keep_out=_List(set(), failure=ConfigError("the key is missing")))
    writer.drain()
    with pytest.raises(ConfigError):
        await writer.run()
    assert await place.rows("select count(*) from deals") == [(0,)]
    assert (await place.bus.backlog()).messages == 1


async def test_too_many_bad_messages_halt_the_writer_before_all_are_set_aside(place: Place) -> None:
    for _ in range(60):
        await place.bus.publish([Message(b"nonsense")])
    with pytest.raises(HaltedError, match="could not be written; the writer has stopped"):
        await place.drain()
    backlog = await place.bus.backlog()
    assert backlog.messages > 0
    assert backlog.messages + backlog.dead_letters == 60


class _FullDisk:
    """A warehouse whose disk is full: every write fails the way the real adapter says it."""

    async def ensure_table(self, schema: TableSchema) -> None:
        return None

    async def write(self, schema: TableSchema, rows: Sequence[Row]) -> WriteOutcome:
        raise StorageError("no space left on the device")


class _Broken(_FullDisk):
    async def write(self, schema: TableSchema, rows: Sequence[Row]) -> WriteOutcome:
        raise ZeroDivisionError("a bug")


async def test_a_full_disk_stops_the_writer_and_leaves_everything_on_the_bus(place: Place) -> None:
    await place.publish(upsert("1", 1))
    writer = place.writer(warehouse=_FullDisk())
    writer.drain()
    with pytest.raises(StorageError):
        await writer.run()
    await place.drain()
    assert await place.rows("select id from deals") == [("1",)]


async def test_a_message_that_fails_again_and_again_is_set_aside_with_its_reason(place: Place) -> None:
    await place.publish(upsert("1", 1))
    writer = place.writer(replace(LIMITS, attempts=3), warehouse=_Broken())
    writer.drain()
    await writer.run()
    [letter] = await place.bus.dead_letters(limit=10)
    assert letter.reason == "ZeroDivisionError: a bug"
    assert letter.attempts == 3


async def test_a_writer_that_is_stopped_has_written_what_it_took(place: Place) -> None:
    writer = place.writer()
    running = asyncio.create_task(writer.run())
    for number in range(50):
        await place.publish(upsert(str(number), 1))
        if number == 25:
            writer.stop()
    await running
    waiting = (await place.bus.backlog()).messages
    assert sum(place.totals.applied.values()) + waiting == 50
    await place.drain()
    assert await place.rows("select count(*) from deals") == [(50,)]


async def test_leases_are_kept_again_after_a_bus_that_did_not_answer(place: Place) -> None:
    bus = _Forgetful(place.bus)
    await place.publish(upsert("1", 1))
    writer = place.writer(replace(LIMITS, extend_seconds=0.01), bus=bus, warehouse=_Waiting(bus.kept))
    writer.drain()
    await writer.run()
    assert bus.asked >= 3


class _Forgetful:
    """A bus that does not answer the first two times that leases are to be kept."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.asked = 0
        self.kept = asyncio.Event()

    def __getattr__(self, name: str) -> object:
        return getattr(self._bus, name)

    async def extend(self, lease_ids: Sequence[str]) -> None:
        self.asked += 1
        if self.asked < 3:
            raise UnreachableError("nobody answers")
        await self._bus.extend(lease_ids)
        self.kept.set()


class _Waiting:
    """A warehouse that has written only once the leases were kept."""

    def __init__(self, kept: asyncio.Event) -> None:
        self._kept = kept

    async def ensure_table(self, schema: TableSchema) -> None:
        pass

    async def write(self, schema: TableSchema, rows: Sequence[Row]) -> WriteOutcome:
        await self._kept.wait()
        return WriteOutcome(applied=len(rows), stale=0)
