"""How tables look in BigQuery, and what is done when they look otherwise."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from decimal import Decimal

import pytest
from google.cloud import bigquery

from services.writer.schemas import Schemas
from shared.catalog import load_catalog
from shared.catalog.model import ColumnType
from shared.catalog.selection import SelectionRules, select
from shared.errors import ConfigError, StorageError
from shared.record.model import Value
from shared.warehouse import OWN_COLUMNS, SchemaChange, TableNotes, TableSchema, TableState
from shared.warehouse.bigquery.connect import connect
from shared.warehouse.bigquery.layout import interval_of, minutes_of
from shared.warehouse.bigquery.memory import DELETIONS
from shared.warehouse.bigquery.settings import BigquerySettings
from tests.contracts.warehouse import DEALS, row
from tests.google.bigquery_place import BigqueryPlace
from tests.warehouse.bigquery import LongAgo, opened, table_of

CATALOG = load_catalog()
SAMPLES: dict[ColumnType, Value] = {
    ColumnType.STRING: "text",
    ColumnType.INT64: 7,
    ColumnType.BOOL: True,
    ColumnType.TIMESTAMP: 1_700_000_000_000_000,
    ColumnType.DATE: 19_000,
    ColumnType.NUMERIC: "7.5",
    ColumnType.JSON: '{"a":[1]}',
    ColumnType.STRING_ARRAY: ["1", "2"],
}
RESERVED = (
    *("_TABLE_", "_FILE_", "_PARTITION", "_ROW_TIMESTAMP", "__ROOT__", "_COLIDENTIFIER"),
    *("_CHANGE_TYPE", "_CHANGE_SEQUENCE_NUMBER", "_CHANGE_TIMESTAMP"),
)
NOTED = replace(
    DEALS, notes=TableNotes("Deals and budgets.", {"name": "What it is called.", "id": "The key."}, live=True)
)


async def test_a_table_is_made_with_its_key_its_order_and_what_people_should_know(
    bigquery_place: BigqueryPlace,
) -> None:
    async with opened(bigquery_place) as warehouse:
        await warehouse.ensure_table(NOTED)
        table = table_of(bigquery_place, "deals")
    assert table.table_constraints is not None
    assert table.table_constraints.primary_key is not None
    assert table.table_constraints.primary_key.columns == ["id"]
    assert table.clustering_fields == ["id"]
    assert table.labels["managed-by"] == "productive-ingest"
    assert table.description == "Deals and budgets."
    descriptions = {field.name: field.description for field in table.schema}
    assert descriptions["name"] == "What it is called."
    assert descriptions["_synced_at"]
    assert [field.name for field in table.schema if field.mode == "REQUIRED"] == ["id"]


async def test_tables_that_webhooks_feed_show_changes_at_once_and_others_later(
    bigquery_place: BigqueryPlace,
) -> None:
    quiet = TableSchema("activities", DEALS.columns)
    async with opened(bigquery_place, staleness_minutes=90, live_staleness_minutes=0) as warehouse:
        await asyncio.gather(*map(warehouse.ensure_table, (NOTED, quiet)))
        states = [await warehouse.state(name) for name in ("deals", "activities")]
    assert [state.late_seconds for state in states if state is not None] == [0, 5_400]
    assert not minutes_of(table_of(bigquery_place, "deals").max_staleness)
    assert minutes_of(table_of(bigquery_place, "activities").max_staleness) == 90
    assert not minutes_of(table_of(bigquery_place, DELETIONS).max_staleness)


async def test_what_was_chosen_otherwise_is_changed_and_nothing_else_is_touched(
    bigquery_place: BigqueryPlace,
) -> None:
    async with opened(bigquery_place, live_staleness_minutes=5) as warehouse:
        await warehouse.ensure_table(NOTED)
    before = table_of(bigquery_place, "deals")
    async with opened(bigquery_place, live_staleness_minutes=5) as warehouse:
        assert await warehouse.ensure_table(NOTED) == SchemaChange()
    assert table_of(bigquery_place, "deals").etag == before.etag
    noted = replace(NOTED, notes=TableNotes("Deals.", {"position": "Where it stands."}, live=True))
    async with opened(bigquery_place, live_staleness_minutes=0) as warehouse:
        assert await warehouse.ensure_table(noted) == SchemaChange()
    after = table_of(bigquery_place, "deals")
    assert (after.description, minutes_of(after.max_staleness)) == ("Deals.", 0)
    descriptions = {field.name: field.description for field in after.schema}
    assert descriptions["position"] == "Where it stands."
    assert descriptions["name"] == "What it is called."


async def test_a_history_that_is_there_is_not_touched_either(bigquery_place: BigqueryPlace) -> None:
    kept = replace(NOTED, history=True)
    names = ("deals", "deals__history", "deals_history", DELETIONS)
    async with opened(bigquery_place) as warehouse:
        await warehouse.ensure_table(kept)
        await warehouse.write(kept, [row("1", 1, name="a")])
    before = [table_of(bigquery_place, name).etag for name in names]
    async with opened(bigquery_place) as warehouse:
        await warehouse.ensure_table(kept)
    assert [table_of(bigquery_place, name).etag for name in names] == before
    wider = replace(kept, columns=(*kept.columns, ("amount", ColumnType.NUMERIC)))
    async with opened(bigquery_place) as warehouse:
        await warehouse.ensure_table(wider)
        await warehouse.write(wider, [row("1", 2, name="a", amount="7")])
        found = await warehouse.query("SELECT amount FROM deals_history ORDER BY _valid_from")
    assert found.rows == [(None,), (Decimal(7),)]


async def test_many_tables_are_made_and_then_found_together(bigquery_place: BigqueryPlace) -> None:
    schemas = [TableSchema(f"table_{number}", DEALS.columns) for number in range(20)]
    async with opened(bigquery_place) as warehouse:
        assert (
            await asyncio.gather(*map(warehouse.ensure_table, schemas)) == [SchemaChange(created=True)] * 20
        )
    async with opened(bigquery_place) as warehouse:
        assert await asyncio.gather(*map(warehouse.ensure_table, schemas)) == [SchemaChange()] * 20


async def test_every_column_of_real_tables_can_be_written_and_read(bigquery_place: BigqueryPlace) -> None:
    schemas = Schemas(CATALOG, select(CATALOG, SelectionRules())).selected()[::6]
    async with opened(bigquery_place) as warehouse:
        await asyncio.gather(*map(warehouse.ensure_table, schemas))
        for schema in schemas:
            data = {name: SAMPLES[type_] for name, type_ in schema.columns if name != "id"}
            assert (await warehouse.write(schema, [row("1", 1, **data)])).applied == 1
            assert await warehouse.fetch(schema, ["1"]) == {"1": {"id": "1", **data}}


def test_no_name_is_one_that_bigquery_keeps_for_itself() -> None:
    for table in CATALOG.values():
        names = [column.name.upper() for column in table.columns]
        assert len(names) == len(set(names)), table.name
        assert "__" not in table.name
        for name in (*names, *(str(name).upper() for name, _ in OWN_COLUMNS)):
            assert re.fullmatch(r"[A-Z_][A-Z0-9_]{0,299}", name)
            assert not name.startswith(RESERVED)


async def test_many_states_may_be_asked_for_at_once(bigquery_place: BigqueryPlace) -> None:
    schemas = [TableSchema(f"table_{number}", DEALS.columns) for number in range(12)]
    async with opened(bigquery_place) as warehouse:
        await asyncio.gather(*map(warehouse.ensure_table, schemas))
        for number, schema in enumerate(schemas):
            await warehouse.write(schema, [row(str(each), 1) for each in range(number)])
        names = [*(schema.name for schema in schemas), "nobody_made_this"]
        asked = [asyncio.create_task(warehouse.state(name)) for name in names]
        asked[3].cancel()
        states = await asyncio.gather(*asked, return_exceptions=True)
    rows = [state.rows if isinstance(state, TableState) else state for state in states]
    assert rows[:3] + rows[4:] == [*(number for number in range(12) if number != 3), None]


async def test_a_table_that_somebody_drops_keeps_no_other_from_being_told(
    bigquery_place: BigqueryPlace,
) -> None:
    people = TableSchema("people", DEALS.columns)
    async with opened(bigquery_place) as warehouse:
        await asyncio.gather(warehouse.ensure_table(DEALS), warehouse.ensure_table(people))
        with bigquery_place.client() as client:
            client.delete_table(f"{bigquery_place.project}.{bigquery_place.dataset}.deals", retry=None)
        gone, there = await asyncio.gather(
            warehouse.state("deals"), warehouse.state("people"), return_exceptions=True
        )
    assert isinstance(gone, StorageError)
    assert isinstance(there, TableState)


async def test_two_processes_may_make_one_table_at_once(bigquery_place: BigqueryPlace) -> None:
    async with opened(bigquery_place) as one, opened(bigquery_place) as other:
        wider = replace(DEALS, columns=(*DEALS.columns, ("amount", ColumnType.NUMERIC)))
        await asyncio.gather(one.ensure_table(DEALS), other.ensure_table(DEALS))
        await asyncio.gather(one.ensure_table(wider), other.ensure_table(wider))
        await one.write(wider, [row("1", 1, amount="7.5")])
        assert await other.fetch(wider, ["1"]) == {"1": {"id": "1", "amount": "7.5"}}


async def test_a_table_of_somebody_else_is_left_alone(bigquery_place: BigqueryPlace) -> None:
    async with opened(bigquery_place) as warehouse:
        with bigquery_place.client() as client:
            name = f"{bigquery_place.project}.{bigquery_place.dataset}.deals"
            client.create_table(bigquery.Table(name, [bigquery.SchemaField("id", "STRING")]), retry=None)
        with pytest.raises(StorageError, match=r"`deals`.*not made by productive-ingest") as caught:
            await warehouse.ensure_table(DEALS)
        assert "bq rm" in caught.value.advice
        with pytest.raises(StorageError, match="not made by productive-ingest"):
            await warehouse.purge_table("deals")
        assert await warehouse.state("deals") is None
        assert [chunk async for chunk in warehouse.ids("deals")] == []


async def test_a_column_of_another_type_is_told_with_what_to_do(bigquery_place: BigqueryPlace) -> None:
    async with opened(bigquery_place) as warehouse:
        await warehouse.ensure_table(DEALS)
        other = TableSchema("deals", (*DEALS.columns[:2], ("position", ColumnType.STRING)))
        with pytest.raises(StorageError, match=r"`deals.position` is INT64") as caught:
            await warehouse.ensure_table(other)
        assert "schema drop deals.position" in caught.value.advice


async def test_a_view_that_somebody_made_is_not_replaced_by_a_history(bigquery_place: BigqueryPlace) -> None:
    async with opened(bigquery_place) as warehouse:
        await warehouse.ensure_table(TableSchema("deals_history", DEALS.columns))
        with pytest.raises(StorageError, match="`deals_history`"):
            await warehouse.ensure_table(replace(DEALS, history=True))


async def test_the_dataset_is_made_with_the_shortest_memory(bigquery_place: BigqueryPlace) -> None:
    async with opened(bigquery_place, location="EU"):
        with bigquery_place.client() as client:
            dataset = client.get_dataset(bigquery_place.dataset, retry=None)
    assert dataset.location == "EU"
    assert dataset.labels["managed-by"] == "productive-ingest"


async def test_who_only_reads_makes_nothing(bigquery_place: BigqueryPlace) -> None:
    with pytest.raises(StorageError, match="there is no dataset"):
        async with opened(bigquery_place, read_only=True):
            pass
    async with opened(bigquery_place) as warehouse:
        await warehouse.ensure_table(DEALS)
        await warehouse.write(DEALS, [row("1", 1, name="a")])
    async with opened(bigquery_place, read_only=True) as warehouse:
        assert await warehouse.fetch(DEALS, ["1"]) == {"1": {"id": "1", "name": "a"}}
        with pytest.raises(StorageError, match="for reading only"):
            await warehouse.write(DEALS, [row("2", 1)])


async def test_the_self_test_passes_and_leaves_nothing(bigquery_place: BigqueryPlace) -> None:
    async with opened(bigquery_place) as warehouse:
        assert (await warehouse.self_test()).passed
        with bigquery_place.client() as client:
            assert list(client.list_tables(bigquery_place.dataset, retry=None)) == []


@pytest.mark.parametrize(
    "url", ["bigquery://", "bigquery://my-project", "bigquery://My Project/d", "bigquery://my-project/a-b"]
)
async def test_an_address_that_names_no_dataset_is_told_with_an_example(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        await connect(url, read_only=True, clock=LongAgo(), settings=BigquerySettings())
    assert "bigquery://my-project/productive" in caught.value.advice


@pytest.mark.parametrize("minutes", [0, 1, 30, 59, 60, 61, 720])
def test_minutes_are_what_the_interval_says(minutes: int) -> None:
    assert minutes_of(interval_of(minutes)) == minutes


@pytest.mark.parametrize(("text", "minutes"), [(None, 0), ("", 0), ("0-0 1 1:30:30", 1_530.5), ("soon", 0)])
def test_an_interval_of_bigquerys_is_read(text: str | None, minutes: float) -> None:
    assert minutes_of(text) == minutes
