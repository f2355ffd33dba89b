"""Questions in SQL: they read, and nothing but the warehouse."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from shared.errors import ConfigError
from shared.warehouse import DuckdbWarehouse, open_duckdb
from tests.contracts.warehouse import DEALS, EVERY_TYPE, everything, row

ASKING = (
    "SELECT 1",
    "WITH x AS (SELECT 1) FROM x",
    "FROM deals",
    "DESCRIBE deals",
    "SHOW TABLES",
    "SUMMARIZE deals",
    "EXPLAIN SELECT 1",
    "VALUES (1)",
    "SELECT 1;",
)

NOT_ASKING = (
    "",
    "-- nothing",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP TABLE deals",
    "INSERT INTO deals (id) VALUES ('3')",
    "WITH x AS (INSERT INTO deals (id) VALUES ('3') RETURNING id) SELECT * FROM x",
    "DELETE FROM deals RETURNING *",
    "EXPLAIN ANALYZE DELETE FROM deals",
    "UPDATE deals SET name = 'x'",
    "DROP TABLE deals",
    "CREATE TABLE x AS SELECT 1",
    "ATTACH ':memory:' AS other",
    "COPY deals TO '/tmp/x.csv'",
    "SET threads = 1",
    "PRAGMA database_list",
    "CHECKPOINT",
    "COMMIT",
    "SELEC 1",
    "SELECT * FROM nothing",
    "SELECT nothing FROM deals",
    "SELECT CAST('x' AS INTEGER)",
    "SELECT error('no')",
    "SELECT ?",
)


@pytest.fixture
async def deals(warehouse: DuckdbWarehouse) -> DuckdbWarehouse:
    await warehouse.ensure_table(DEALS)
    await warehouse.write(DEALS, [row("1", 1, name="a", position=3), row("2", 1, name="b", position=4)])
    return warehouse


async def test_values_come_as_plain_python(warehouse: DuckdbWarehouse) -> None:
    await warehouse.ensure_table(EVERY_TYPE)
    data = {"default": True, "order": 7, "amount": "1.50", "time": 1_000_000, "date": 1, "params": "[1]"}
    await warehouse.write(EVERY_TYPE, [row("1", 1, **data, tag_ids=["x"])])
    result = await warehouse.query(
        'SELECT "default", "order", amount, "time", "date", params, tag_ids, "group" FROM filters'
    )
    assert result.columns == ["default", "order", "amount", "time", "date", "params", "tag_ids", "group"]
    second = datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert result.rows == [(True, 7, Decimal("1.5"), second, date(1970, 1, 2), "[1]", ["x"], None)]


async def test_parameters_stand_for_question_marks(deals: DuckdbWarehouse) -> None:
    result = await deals.query("SELECT name FROM deals WHERE position > ? AND name <> ?", [3, "'; DROP"])
    assert result.rows == [("b",)]


async def test_all_ways_to_ask_are_answered(deals: DuckdbWarehouse) -> None:
    for statement in ASKING:
        assert (await deals.query(statement)).rows


async def test_everything_else_is_refused_and_changes_nothing(deals: DuckdbWarehouse) -> None:
    before = await everything(deals, DEALS)
    for statement in NOT_ASKING:
        with pytest.raises(ConfigError) as caught:
            await deals.query(statement)
        assert caught.value.advice
        assert await everything(deals, DEALS) == before
        assert (await deals.query("SHOW TABLES")).rows == [("deals",)]


async def test_other_files_cannot_be_read(deals: DuckdbWarehouse, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    for function in ("read_text", "read_csv", "read_blob"):
        with pytest.raises(ConfigError):
            await deals.query(f"SELECT * FROM {function}('{tmp_path}/secret.txt')")


async def test_variables_of_the_program_cannot_be_read(deals: DuckdbWarehouse) -> None:
    frame = [1]
    with pytest.raises(ConfigError, match="frame"):
        await deals.query("SELECT * FROM frame")
    assert frame == [1]


async def test_more_rows_than_asked_for_are_cut_off_and_it_is_said(deals: DuckdbWarehouse) -> None:
    many = await deals.query("SELECT * FROM range(10000)", max_rows=5_000)
    assert (len(many.rows), many.truncated) == (5_000, True)
    all_ = await deals.query("SELECT * FROM range(5000)", max_rows=5_000)
    assert (len(all_.rows), all_.truncated) == (5_000, False)


async def test_columns_of_one_name_stay_apart(deals: DuckdbWarehouse) -> None:
    result = await deals.query("SELECT d.id, e.id FROM deals d JOIN deals e ON d.id < e.id")
    assert result.columns == ["id", "id"]
    assert result.rows == [("1", "2")]


async def test_a_query_without_rows_still_has_columns(deals: DuckdbWarehouse) -> None:
    result = await deals.query("SELECT id, _synced_at FROM deals WHERE false")
    assert (result.columns, result.rows) == (["id", "_synced_at"], [])


async def test_times_without_end_are_said_in_words(deals: DuckdbWarehouse) -> None:
    result = await deals.query("SELECT 'infinity'::TIMESTAMPTZ, '-infinity'::TIMESTAMPTZ, NULL::TIMESTAMPTZ")
    assert result.rows == [("infinity", "-infinity", None)]


async def test_a_query_that_fails_half_way_is_refused_and_lets_go_of_the_file(
    deals: DuckdbWarehouse, url: str
) -> None:
    statement = "SELECT CAST(CASE WHEN range > 9000 THEN 'x' ELSE '1' END AS INTEGER) FROM range(10000)"
    with pytest.raises(ConfigError, match="cannot be run") as caught:
        await deals.query(statement)
    await deals.close()
    again = await open_duckdb(url)
    assert (await again.query("SELECT count(*) FROM deals")).rows == [(2,)]
    await again.close()
    assert caught.value.__traceback__ is not None, "the error, and what it refers to, is still there"


ENDLESS = (
    "SELECT count(*) FROM range(1000000000000) WHERE range % 7 = 3",
    "SELECT a.range FROM range(1000000000) a, range(1000000000) b WHERE a.range + b.range = -1",
    "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n",
)


@pytest.mark.parametrize("statement", ENDLESS)
async def test_a_query_that_takes_too_long_is_stopped_and_the_next_one_is_answered(
    deals: DuckdbWarehouse, statement: str
) -> None:
    with pytest.raises(ConfigError, match=r"it had not ended after 0\.05 seconds") as caught:
        await deals.query(statement, seconds=0.05)
    assert caught.value.advice
    assert (await deals.query("SELECT count(*) FROM deals", seconds=60)).rows == [(2,)]
    assert (await deals.write(DEALS, [row("3", 1)])).applied == 1


async def test_a_query_whose_caller_is_gone_holds_nobody_up(deals: DuckdbWarehouse) -> None:
    asking = [asyncio.create_task(deals.query(statement)) for statement in ENDLESS]
    await asyncio.sleep(0)
    for task in asking:
        task.cancel()
    assert all(
        isinstance(each, asyncio.CancelledError)
        for each in await asyncio.gather(*asking, return_exceptions=True)
    )
    assert (await deals.query("SELECT count(*) FROM deals")).rows == [(2,)]


async def test_no_time_at_all_is_too_little(deals: DuckdbWarehouse) -> None:
    for statement in ENDLESS:
        with pytest.raises(ConfigError, match="0 seconds"):
            await deals.query(statement, seconds=0)
