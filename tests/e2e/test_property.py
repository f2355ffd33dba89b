"""Whatever the records are and however their messages come, the warehouse holds the newest of each."""

from __future__ import annotations

import asyncio
import itertools
import random
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.writer.environment import WriterEnvironment, WriterLimits, WriterTotals
from services.writer.schemas import Schemas
from services.writer.service import Writer
from shared.bus import open_bus
from shared.catalog import load_catalog
from shared.catalog.selection import SelectionRules, select
from shared.clock import SystemClock
from shared.objects import open_objects
from shared.productive.jsonapi import parse
from shared.record import Drift, Normalizer, Record, RecordBatch, Source
from shared.record.codec import BatchCodec
from shared.urls import url_of
from shared.warehouse import open_warehouse
from tests.e2e.agency import resource
from tests.e2e.expected import assert_same
from tests.e2e.harness import rows_of
from tests.e2e.server import Resource, dumps

TABLE = "deals"
ONLY = SelectionRules(only=(TABLE,))
FIELDS = sorted(
    {column.field for column in load_catalog()[TABLE].columns if column.kind == "attribute"}
    - {"last_activity_at", "updated_at"}
)

decimals = st.decimals(allow_nan=False, allow_infinity=False)
scalars = st.one_of(
    st.text(),
    st.booleans(),
    st.none(),
    st.integers(),
    st.integers(-(2**70), 2**70),
    decimals,
    decimals.map(lambda number: f"{number:f}"),
    st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat()),
    st.dates().map(lambda day: day.isoformat()),
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)
attributes = st.dictionaries(st.sampled_from(FIELDS), values, max_size=12)
states = st.lists(st.tuples(st.sampled_from("abcdefgh"), attributes), max_size=25)


@given(states=states, seed=st.integers(0, 2**32), size=st.integers(1, 7))
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_newest_state_of_each_record_arrives_exactly(
    states: list[tuple[str, dict[str, Any]]], seed: int, size: int
) -> None:
    """Each state is newer than those before; pages come out of order, and some of them twice."""
    newest: dict[str, Resource] = {}
    pages: list[list[tuple[int, Resource]]] = []
    for start in range(0, len(states), size):
        page = []
        for observed_us, (id_, content) in enumerate(states[start : start + size], start=start + 1):
            newest[id_] = resource(TABLE, id_, content)
            page.append((observed_us, newest[id_]))
        pages.append(page)
    chance = random.Random(seed)
    pages += chance.choices(pages, k=len(pages) // 2)
    chance.shuffle(pages)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_bring(Path(folder), pages, rows=chance.randint(1, 20)))
        assert_same(TABLE, _as_given(newest.values()), rows_of(Path(folder) / "warehouse.duckdb", TABLE))


def _as_given(resources: Any) -> list[Resource]:
    """Without the relationships, whose linkage these records do not pass through the server's rendering."""
    return [{**one, "relationships": {}} for one in resources]


async def _bring(folder: Path, pages: list[list[tuple[int, Resource]]], *, rows: int) -> None:
    """Every page as an answer's body, normalized, over the bus and into the warehouse."""
    objects = await open_objects(url_of("file", folder / "objects"))
    bus = await open_bus(url_of("sqlite", folder / "bus.sqlite"))
    warehouse = await open_warehouse(url_of("duckdb", folder / "warehouse.duckdb"))
    names = itertools.count()
    codec = BatchCodec(objects, lambda: f"claims/{next(names)}", limit=400)
    selected = select(load_catalog(), ONLY)
    normalizer = Normalizer(load_catalog()[TABLE], selected[TABLE].columns)
    for page in pages:
        records = []
        for observed_us, one in page:
            given = parse(dumps({**one, "relationships": {}}))
            record = normalizer.normalize(given, observed_us, Drift())
            assert isinstance(record, Record)
            records.append(record)
        await bus.publish(await codec.encode(RecordBatch(TABLE, "4711", Source.BACKFILL, "run", records)))
    totals = WriterTotals()
    limits = WriterLimits(rows=rows, linger_seconds=0.0)
    schemas = Schemas(load_catalog(), selected)
    writer = Writer(WriterEnvironment(bus, warehouse, codec, schemas, SystemClock(), totals, limits))
    writer.drain()
    await writer.run()
    assert totals.dead_letters == 0
    assert await objects.list("claims/") == []
    for store in (warehouse, bus, objects):
        await store.close()


def test_decimals_of_any_size_are_numbers_to_the_test_too() -> None:
    """The model writes what it is given: a number that lost a digit here would hide one lost there."""
    assert (
        dumps({"a": Decimal("1234567890.12345678901234567890")}) == b'{"a": 1234567890.12345678901234567890}'
    )
