"""Tables in the file: any name, never retyped, never somebody else's; many callers, one thread."""

from __future__ import annotations

import asyncio
from pathlib import Path

import duckdb
import pytest

from shared.catalog import ColumnType
from shared.errors import StorageError
from shared.record.model import Record, Source, Version
from shared.warehouse import DuckdbSettings, DuckdbWarehouse, Row, TableSchema, open_duckdb
from tests.contracts.warehouse import DEALS, deletion, everything, row


@pytest.mark.parametrize("name", ["filters", "order", "select", "Täble", 'a"b', "a b;c", "1"])
async def test_any_name_can_be_that_of_a_table_or_column(warehouse: DuckdbWarehouse, name: str) -> None:
    schema = TableSchema(name, (("id", ColumnType.STRING), (name, ColumnType.JSON)))
    await warehouse.ensure_table(schema)
    record = Record("1", "upsert", Version(1, 1), {name: "[1]"})
    outcome = await warehouse.write(schema, [Row(record, Source.WEBHOOK, "")])
    assert outcome.applied == 1
    assert (await warehouse.write(schema, [row("2", 1, **{name: "["})])).refused[0].index == 0
    assert await everything(warehouse, schema) == {"1": {"id": "1", name: "[1]"}}


async def test_a_column_of_another_type_is_never_retyped(warehouse: DuckdbWarehouse) -> None:
    await warehouse.ensure_table(DEALS)
    other = TableSchema("deals", (*DEALS.columns[:2], ("position", ColumnType.STRING)))
    with pytest.raises(StorageError, match=r"`deals\.position` is INT64 in the warehouse, and not STRING"):
        await warehouse.ensure_table(other)


async def test_a_table_that_is_not_ours_is_left_alone(url: str, tmp_path: Path) -> None:
    with duckdb.connect(tmp_path / "agency.duckdb") as connection:
        connection.execute("CREATE TABLE deals (id VARCHAR, mine VARCHAR)").fetchall()
    warehouse = await open_duckdb(url)
    with pytest.raises(StorageError, match="not made by productive-ingest"):
        await warehouse.ensure_table(DEALS)
    assert await warehouse.state("deals") is None
    assert (await warehouse.query("DESCRIBE deals")).rows[1][0] == "mine"
    await warehouse.close()


async def test_writing_to_a_table_that_was_dropped_is_an_error_and_changes_nothing_else(
    url: str, tmp_path: Path
) -> None:
    warehouse = await open_duckdb(url)
    await warehouse.ensure_table(DEALS)
    await warehouse.close()
    with duckdb.connect(tmp_path / "agency.duckdb") as connection:
        connection.execute("DROP TABLE deals").fetchall()

    warehouse = await open_duckdb(url)
    with pytest.raises(StorageError, match="refused a statement"):
        await warehouse.write(DEALS, [row("1", 1)])
    await warehouse.ensure_table(DEALS)
    assert (await warehouse.write(DEALS, [row("1", 1)])).applied == 1
    await warehouse.close()


async def test_tombstones_are_forgotten_when_their_ids_come_back(warehouse: DuckdbWarehouse) -> None:
    await warehouse.ensure_table(DEALS)
    await warehouse.write(DEALS, [deletion(str(number), 1) for number in range(10)])
    await warehouse.write(DEALS, [deletion(str(number), 2) for number in range(10)])
    await warehouse.write(DEALS, [row(str(number), 3) for number in range(7)])
    left = await warehouse.query("SELECT id, version_changed FROM productive_ingest.tombstones ORDER BY id")
    assert left.rows == [("7", 2), ("8", 2), ("9", 2)]


async def test_reasons_for_a_refusal_do_not_quote_the_value(warehouse: DuckdbWarehouse) -> None:
    schema = TableSchema(
        "people",
        (
            ("id", ColumnType.STRING),
            ("born", ColumnType.DATE),
            ("pay", ColumnType.NUMERIC),
            ("x", ColumnType.JSON),
        ),
    )
    await warehouse.ensure_table(schema)
    rows = [row("1", 1, born="secret"), row("2", 1, pay="secret"), row("3", 1, x="secret")]
    refused = (await warehouse.write(schema, rows)).refused
    assert [each.index for each in refused] == [0, 1, 2]
    assert not any("secret" in each.reason for each in refused)
    assert [next(name for name in ("born", "pay", "x") if f"`{name}`" in each.reason) for each in refused]


@pytest.mark.parametrize(
    "record",
    [
        Record("1", "upsert", Version(2**63, 0)),
        Record("1", "upsert", Version(0, -(2**63) - 1)),
        Record("1", "upsert", Version(2**62, 0)),
        Record("\ud800", "delete", Version(0, 0)),
    ],
)
async def test_a_record_whose_key_or_version_cannot_be_kept_is_refused(
    warehouse: DuckdbWarehouse, record: Record
) -> None:
    await warehouse.ensure_table(DEALS)
    outcome = await warehouse.write(DEALS, [Row(record, Source.BACKFILL, "run"), row("2", 1)])
    assert [refused.index for refused in outcome.refused] == [0]
    assert (await everything(warehouse, DEALS)).keys() == {"2"}


async def test_calls_that_are_awaited_at_once_each_happen_as_a_whole(warehouse: DuckdbWarehouse) -> None:
    await warehouse.ensure_table(DEALS)
    batches = [
        [row(str(number), version, name=f"{version}") for number in range(50)] for version in range(1, 21)
    ]
    outcomes = await asyncio.gather(*(warehouse.write(DEALS, batch) for batch in reversed(batches)))
    assert sum(outcome.applied for outcome in outcomes) == 50
    assert {values["name"] for values in (await everything(warehouse, DEALS)).values()} == {"20"}


async def test_a_cancelled_write_is_whole_or_not_there(url: str) -> None:
    warehouse = await open_duckdb(url)
    await warehouse.ensure_table(DEALS)
    writing = asyncio.create_task(warehouse.write(DEALS, [row(str(number), 1) for number in range(5_000)]))
    await asyncio.sleep(0)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    await warehouse.close()

    warehouse = await open_duckdb(url)
    state = await warehouse.state("deals")
    assert state is not None
    assert state.rows in {0, 5_000}
    await warehouse.close()


async def test_ids_can_be_read_while_rows_are_written(warehouse: DuckdbWarehouse) -> None:
    await warehouse.ensure_table(DEALS)
    old = {f"old-{number}" for number in range(12_000)}
    await warehouse.write(DEALS, [row(id_, 1) for id_ in old])
    seen: list[str] = []
    async for chunk in warehouse.ids("deals"):
        seen.extend(chunk)
        await warehouse.write(DEALS, [row(id_, 2) for id_ in chunk[:10]])
    assert set(seen) == old
    assert len(seen) == len(old)


async def test_ids_beyond_one_page_are_all_read(
    warehouse: DuckdbWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.warehouse.duckdb.sql.SELECT_IDS_LIMIT", 7)
    await warehouse.ensure_table(DEALS)
    expected = sorted(str(number) for number in range(21))
    await warehouse.write(DEALS, [row(id_, 1) for id_ in expected])
    chunks = [list(chunk) async for chunk in warehouse.ids("deals")]
    assert [id_ for chunk in chunks for id_ in chunk] == expected
    assert max(map(len, chunks)) == 7


async def test_the_widest_tables_can_be_checkpointed_with_little_memory(url: str, tmp_path: Path) -> None:
    settings = DuckdbSettings(checkpoint_bytes=1_000_000)
    warehouse = await open_duckdb(url, settings=settings)
    columns = tuple((f"c{number}", ColumnType.STRING) for number in range(130))
    schema = TableSchema("wide", (("id", ColumnType.STRING), *columns))
    await warehouse.ensure_table(schema)
    for version in (1, 2):
        for start in range(0, 6_000, 3_000):
            rows = [
                row(str(number), version, **{name: f"{name} {number} {version}" for name, _ in columns})
                for number in range(start, start + 3_000)
            ]
            assert (await warehouse.write(schema, rows)).applied == 3_000
    log = tmp_path / "agency.duckdb.wal"
    assert not log.exists() or log.stat().st_size < 2 * settings.checkpoint_bytes
    state = await warehouse.state("wide")
    assert state is not None
    assert state.rows == 6_000
    await warehouse.close()
