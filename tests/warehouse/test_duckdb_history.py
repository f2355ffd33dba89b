"""History in the file: a view that anybody can ask, and a log that does not grow by looking."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from shared.catalog import load_catalog
from shared.catalog.model import ColumnType
from shared.errors import StorageError
from shared.warehouse import DuckdbWarehouse, TableSchema, open_duckdb
from shared.warehouse.duckdb.history import REPEATS_KEPT_US
from tests.contracts.warehouse import DEALS, KEPT, deletion, everything, row

ROOT = Path(__file__).parents[2]
DAY = 24 * 3_600 * 1_000_000
POINTS = "SELECT _op, _version_observed FROM productive_ingest.deals__history ORDER BY _version_observed"
STATES = "SELECT name, epoch_us(_valid_from), epoch_us(_valid_to) FROM deals_history ORDER BY _valid_from"


@pytest.fixture
async def kept(warehouse: DuckdbWarehouse) -> DuckdbWarehouse:
    await warehouse.ensure_table(KEPT)
    return warehouse


async def test_a_record_that_is_read_every_day_and_never_changes_does_not_fill_the_log(
    kept: DuckdbWarehouse,
) -> None:
    for day in range(40):
        await kept.write(KEPT, [row("1", (5, day * DAY + 10), name="a")])
    points = (await kept.query(POINTS)).rows
    assert points[0] == ("upsert", 10)
    assert {op for op, _ in points[1:]} == {"repeat"}
    assert len(points) <= timedelta(microseconds=REPEATS_KEPT_US).days + 3
    assert points[-1] == ("repeat", 39 * DAY + 10)
    assert (await kept.query(STATES)).rows == [("a", 5, None)]


async def test_both_ends_of_a_state_are_kept_however_old_they_are(kept: DuckdbWarehouse) -> None:
    for day in (1, 2, 3, 4):
        await kept.write(KEPT, [row("1", day * DAY, name="a")])
    await kept.write(KEPT, [row("1", 5 * DAY, name="b")])
    for day in range(30, 36):
        await kept.write(KEPT, [row("1", day * DAY, name="b")])
    assert [each / DAY for _, each in (await kept.query(POINTS)).rows] == [1, 4, 5, 30, 31, 32, 33, 34, 35]
    await kept.write(KEPT, [row("1", 2 * DAY + 1, name="late")])
    assert (await kept.query(STATES)).rows == [
        ("a", DAY, 2 * DAY + 1),
        ("late", 2 * DAY + 1, 4 * DAY),
        ("a", 4 * DAY, 5 * DAY),
        ("b", 5 * DAY, None),
    ]


async def test_a_state_is_stored_once_also_when_a_later_sighting_of_it_came_first(
    kept: DuckdbWarehouse,
) -> None:
    for day in (9, 8, 1, 20, 21):
        await kept.write(KEPT, [row("1", day * DAY, name="a")])
    points = (await kept.query(POINTS)).rows
    assert [(op, observed / DAY) for op, observed in points if op == "upsert"] == [("upsert", 9)]
    assert (await kept.query(STATES)).rows == [("a", DAY, None)]


async def test_a_file_that_is_opened_under_its_own_name_shows_the_history(
    kept: DuckdbWarehouse, tmp_path: Path
) -> None:
    await kept.write(KEPT, [row("1", 1, name="a"), row("1", 2, name="b")])
    await kept.refresh_snapshot(force=True)
    with duckdb.connect(kept.snapshot_path, read_only=True) as connection:
        found = connection.sql("SELECT name, _is_current FROM deals_history ORDER BY name").fetchall()
    assert found == [("a", False), ("b", True)]
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{kept.snapshot_path}' AS mine (READ_ONLY)").fetchall()
        assert connection.sql("SELECT count(*) FROM mine.deals_history").fetchall() == [(2,)]


async def test_history_is_there_after_opening_again_and_goes_on(url: str) -> None:
    for version, name in enumerate("abc", start=1):
        warehouse = await open_duckdb(url)
        await warehouse.ensure_table(KEPT)
        await warehouse.write(KEPT, [row("1", version, name=name)])
        await warehouse.close()
    reader = await open_duckdb(url, read_only=True)
    assert (await reader.query(STATES)).rows == [("a", 1, 2), ("b", 2, 3), ("c", 3, None)]
    await reader.close()


async def test_tables_without_history_have_neither_view_nor_log(warehouse: DuckdbWarehouse) -> None:
    await warehouse.ensure_table(DEALS)
    await warehouse.write(DEALS, [row("1", 1)])
    assert (await warehouse.query("SHOW TABLES")).rows == [("deals",)]


async def test_a_view_or_table_that_is_not_ours_is_left_alone(url: str, tmp_path: Path) -> None:
    with duckdb.connect(tmp_path / "agency.duckdb") as connection:
        connection.execute("CREATE VIEW deals_history AS SELECT 1 AS mine").fetchall()
    warehouse = await open_duckdb(url)
    with pytest.raises(StorageError, match="deals_history` in the warehouse was not made by") as caught:
        await warehouse.ensure_table(KEPT)
    assert "take `deals` out of `history`" in caught.value.advice
    assert (await warehouse.query("SELECT mine FROM deals_history")).rows == [(1,)]
    assert await warehouse.state("deals") is None
    await warehouse.ensure_table(DEALS)
    await warehouse.close()


async def test_a_row_that_is_refused_is_not_in_the_history(kept: DuckdbWarehouse) -> None:
    outcome = await kept.write(KEPT, [row("1", 1, position="x"), row("1", 2, name="b"), row("2", 2)])
    assert [refused.index for refused in outcome.refused] == [0]
    assert (await kept.query("SELECT id, name FROM deals_history ORDER BY id")).rows == [
        ("1", "b"),
        ("2", None),
    ]


async def test_the_order_of_a_list_of_ids_is_no_change(warehouse: DuckdbWarehouse) -> None:
    schema = replace(KEPT, columns=(*KEPT.columns, ("tag_ids", ColumnType.STRING_ARRAY)))
    await warehouse.ensure_table(schema)
    for version, tags in enumerate((["1", "2"], ["2", "1"], ["2"]), start=1):
        await warehouse.write(schema, [row("1", version, tag_ids=tags)])
    assert (await warehouse.query("SELECT tag_ids FROM deals_history ORDER BY _valid_from")).rows == [
        (["1", "2"],),
        (["2"],),
    ]


async def test_values_that_look_alike_are_told_apart(warehouse: DuckdbWarehouse) -> None:
    columns = tuple((name, ColumnType.STRING) for name in ("a", "b", "c"))
    schema = TableSchema("deals", (("id", ColumnType.STRING), *columns), history=True)
    await warehouse.ensure_table(schema)
    alike: list[dict[str, str]] = [{"a": ""}, {}, {"b": ""}, {"a": "x"}, {"a": "xb="}, {"a": "x", "b": ""}]
    for version, data in enumerate(alike, start=1):
        await warehouse.write(schema, [row("1", version, **data)])
    assert (await warehouse.query("SELECT count(*) FROM deals_history")).rows == [(len(alike),)]


async def test_a_crowd_of_records_turns_history_on_and_off_and_on(warehouse: DuckdbWarehouse) -> None:
    ids = [str(number) for number in range(12_000)]
    await warehouse.ensure_table(DEALS)
    await warehouse.write(DEALS, [row(id_, 1, name="a") for id_ in ids])
    await warehouse.ensure_table(KEPT)
    await warehouse.write(KEPT, [row(id_, 2, name="b") for id_ in ids[::2]])
    await warehouse.ensure_table(DEALS)
    await warehouse.write(DEALS, [row(id_, 3, name="c") for id_ in ids[::3]] + [deletion(ids[1], 3)])
    await warehouse.ensure_table(KEPT)
    current = await warehouse.query("SELECT id, name FROM deals_history WHERE _is_current", max_rows=20_000)
    assert dict(current.rows) == {
        id_: values["name"] for id_, values in (await everything(warehouse, DEALS)).items()
    }
    total = await warehouse.query("SELECT count(*) FROM deals_history")
    assert total.rows == [(12_000 + 6_000 + 4_000,)]


def columns_of(table: str) -> tuple[tuple[str, ColumnType], ...]:
    return tuple((column.name, column.type) for column in load_catalog()[table].columns)


@pytest.fixture
async def agency(warehouse: DuckdbWarehouse) -> DuckdbWarehouse:
    """The tables that the page of the documentation asks."""
    statuses = TableSchema("deal_statuses", columns_of("deal_statuses"))
    await warehouse.ensure_table(statuses)
    await warehouse.write(statuses, [row(id_, 1, name=f"stage {id_}") for id_ in ("1", "2")])
    for name, column in (("deals", "deal_status_id"), ("tasks", "task_list_id")):
        schema = TableSchema(name, columns_of(name), history=True)
        await warehouse.ensure_table(schema)
        for day, place in enumerate(("1", "2", "2", "1")):
            values = {column: place, "currency" if name == "deals" else "title": f"{day}"}
            await warehouse.write(schema, [row(id_, day * DAY, **values) for id_ in ("1", "2")])
        if name == "deals":
            await warehouse.write(schema, [deletion("2", 6 * DAY)])
    return warehouse


async def test_the_questions_of_the_documentation_are_answered(agency: DuckdbWarehouse) -> None:
    page = (ROOT / "docs" / "history.md").read_text(encoding="utf-8")
    questions = [text.strip().rstrip(";") for text in re.findall(r"```sql\n(.*?)```", page, re.DOTALL)]
    then, stages, moves, gone = [await agency.query(question) for question in questions]
    assert [found[0] for found in then.rows] == ["1"]
    assert [found[:2] for found in stages.rows if found[0] == "2"] == [
        ("2", "stage 1"),
        ("2", "stage 2"),
    ]
    assert [round(found[2]) for found in stages.rows if found[0] == "2"] == [4, 2]
    assert [found[1:3] for found in moves.rows if found[0] == "1"] == [("1", "2"), ("2", "1")]
    assert [found[0] for found in gone.rows] == ["2"]
