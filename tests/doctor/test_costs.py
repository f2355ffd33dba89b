"""The costs are reckoned by formulas that anybody can follow, and the page has the numbers they give."""

from __future__ import annotations

import asyncio
import json
from dataclasses import fields, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.costs_page import EXAMPLE, PAGE, written
from services.cli.doctor.usage import logical_bytes, spread
from shared.catalog.model import ColumnType
from shared.clock import SystemClock
from shared.errors import ConfigError
from shared.google.costs import (
    DAYS,
    GIB,
    TIB,
    TableUse,
    Usage,
    estimate,
    merges_per_day,
    reading,
    with_staleness,
)
from shared.google.prices import REGIONS, Prices, priced, sources, without_free_amounts
from shared.record.model import Record, Source, Version
from shared.urls import url_of
from shared.warehouse import Row, TableSchema, open_warehouse
from tests.doctor.desk import Desk

UNHURRIED = settings(deadline=None)
PAID = without_free_amounts(Prices())
TABLE = TableUse("deals", rows=1_000_000, bytes=GIB, staleness_minutes=30, changes_per_day=10_000)

tables = st.builds(
    TableUse,
    name=st.text(min_size=1, max_size=5),
    rows=st.integers(0, 10**9),
    bytes=st.integers(0, 10**13),
    staleness_minutes=st.sampled_from([0, 5, 30, 720]),
    changes_per_day=st.integers(0, 10**7),
)
usages = st.builds(
    Usage,
    tables=st.lists(tables, max_size=5),
    webhooks_per_day=st.integers(0, 10**7),
    queries_per_day=st.integers(0, 10**6),
    crawls_per_day=st.integers(0, 300),
)


def dollars(usage: Usage, prices: Prices, service: str) -> float:
    [line] = [line for line in estimate(usage, prices) if line.service == service]
    return line.dollars


def test_the_pages_numbers_are_those_of_the_formulas() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert written(page) == page, "run scripts/costs_page.py"


def test_every_price_is_on_the_page_with_its_source() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert {name for name, _, _ in sources()} == {one.name for one in fields(Prices)}
    assert all(f"| `{name}` | {value:g} | {source} |" in page for name, value, source in sources())


def test_background_merges_read_the_whole_table_once_per_staleness() -> None:
    usage = Usage([TABLE], queries_per_day=0)
    assert merges_per_day(TABLE) == 48
    assert reading(usage, PAID).dollars == pytest.approx(DAYS * 48 * GIB / TIB * 6.25)
    hourly = with_staleness(usage, 60)
    assert reading(hourly, PAID).dollars == pytest.approx(reading(usage, PAID).dollars / 2)


def test_a_table_that_seldom_changes_is_merged_no_more_often_than_it_changes() -> None:
    assert merges_per_day(replace(TABLE, changes_per_day=3)) == 3
    assert merges_per_day(replace(TABLE, changes_per_day=0)) == 0


def test_without_staleness_every_query_reads_the_whole_table_and_nobody_else_does() -> None:
    live = replace(TABLE, staleness_minutes=0)
    asked = Usage([live], queries_per_day=10, tables_per_query=1)
    assert reading(asked, PAID).dollars == pytest.approx(DAYS * 10 * GIB / TIB * 6.25)
    assert reading(replace(asked, queries_per_day=0), PAID).dollars == 0
    still = replace(asked, tables=[replace(live, changes_per_day=0)])
    assert reading(still, PAID).dollars == pytest.approx(reading(asked, PAID).dollars / 4)


@UNHURRIED
@given(changes=st.integers(0, 10**6), minutes=st.sampled_from([5, 30, 240]), reads=st.integers(0, 1_000))
def test_a_staleness_pays_off_where_a_table_is_read_more_often_than_it_is_merged(
    changes: int, minutes: int, reads: int
) -> None:
    table = replace(TABLE, changes_per_day=changes, staleness_minutes=minutes)
    usage = Usage([table], queries_per_day=reads, tables_per_query=1, columns_read=0)
    late, live = reading(usage, PAID).dollars, reading(with_staleness(usage, 0), PAID).dollars
    if changes and reads > 1.1 * merges_per_day(table):
        assert late < live
    if changes and reads < merges_per_day(table):
        assert late > live


@UNHURRIED
@given(usage=usages, region=st.sampled_from(sorted(REGIONS)))
def test_no_line_is_ever_negative_and_free_amounts_only_make_it_cheaper(usage: Usage, region: str) -> None:
    prices = REGIONS[region]
    paid = {line.service: line.dollars for line in estimate(usage, without_free_amounts(prices))}
    for line in estimate(usage, prices):
        assert 0 <= line.dollars <= paid[line.service]
        assert line.formula
        assert line.knob


@UNHURRIED
@given(usage=usages, more=st.floats(1, 100))
def test_more_of_anything_never_costs_less(usage: Usage, more: float) -> None:
    larger = replace(
        usage,
        webhooks_per_day=usage.webhooks_per_day * more,
        queries_per_day=usage.queries_per_day * more,
        tables=[replace(table, rows=table.rows * more, bytes=table.bytes * more) for table in usage.tables],
    )
    before = {line.service: line.dollars for line in estimate(usage, Prices())}
    for line in estimate(larger, Prices()):
        assert line.dollars >= before[line.service] * (1 - 1e-9)


def test_the_other_lines_by_hand() -> None:
    usage = Usage(
        [replace(TABLE, changes_per_day=1_000)],
        webhooks_per_day=0,
        crawls_per_day=10,
        crawl_minutes_per_day=0,
    )
    row = GIB / 1_000_000
    assert dollars(usage, PAID, "BigQuery, storage") == pytest.approx(0.02)
    assert dollars(usage, PAID, "BigQuery, Storage Write API") == pytest.approx(
        DAYS * 1_000 * row / GIB * 0.025
    )
    assert dollars(usage, PAID, "Pub/Sub") == pytest.approx(2 * DAYS * 1_000 * row / TIB * 40)
    assert dollars(usage, PAID, "Cloud Run") == pytest.approx(DAYS * 86_400 * (2 * 0.000018 + 1.5 * 0.000002))
    assert dollars(usage, PAID, "Cloud Storage") == pytest.approx(DAYS * 10 * 4 / 10_000 * 0.05)
    assert dollars(usage, PAID, "Secret Manager") == pytest.approx(
        4 * 0.06 + DAYS * (2_880 + 10) / 10_000 * 0.03
    )


def test_a_price_can_be_replaced_and_a_mistaken_one_is_told() -> None:
    assert priced(Prices(), {"query_tib": 8.13}).query_tib == 8.13
    with pytest.raises(ConfigError, match="no price 'query'"):
        priced(Prices(), {"query": 1.0})
    for wrong in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match="zero or more"):
            priced(Prices(), {"query_tib": wrong})


def test_changes_are_spread_over_the_tables_by_their_rows() -> None:
    tables = spread([replace(TABLE, rows=1), replace(TABLE, rows=3)], 100)
    assert [table.changes_per_day for table in tables] == [25, 75]
    assert spread([replace(TABLE, rows=0)], 100)[0].changes_per_day == 0


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (None, 0),
        (True, 1),
        (7, 8),
        (1.5, 8),
        (Decimal("1.5"), 16),
        ("äb", 5),
        (b"ab", 4),
        (date(2026, 1, 1), 8),
        (datetime(2026, 1, 1, tzinfo=UTC), 8),
        (["1", "22"], 7),
    ],
)
def test_values_have_the_sizes_that_bigquery_documents(value: Any, size: int) -> None:
    assert logical_bytes(value) == size


def test_the_example_shows_the_trap() -> None:
    assert reading(with_staleness(EXAMPLE, 30), Prices()).dollars > 4 * reading(EXAMPLE, Prices()).dollars


async def _fill(desk: Desk, rows: int, webhooks: int) -> None:
    schema = TableSchema("deals", (("id", ColumnType.STRING), ("name", ColumnType.STRING)))
    warehouse = await open_warehouse(url_of("duckdb", desk.folder / "productive.duckdb"))
    now = SystemClock().now_us()
    await warehouse.ensure_table(schema)
    await warehouse.write(
        schema,
        [
            Row(
                Record(str(number), "upsert", Version(now, now), {"name": "x" * 98}),
                Source.WEBHOOK if number < webhooks else Source.BACKFILL,
                "r1",
            )
            for number in range(rows)
        ],
    )
    await warehouse.close()


def test_the_command_measures_an_embedded_warehouse(desk: Desk) -> None:
    desk.folder.mkdir()
    asyncio.run(_fill(desk, rows=700, webhooks=70))
    result = json.loads(desk.run("--costs", "--json").stdout)
    [table] = result["usage"]["tables"]
    assert (table["name"], table["rows"], table["changes_per_day"]) == ("deals", 700, 100)
    assert 100 * 700 < table["bytes"] < 400 * 700
    assert result["usage"]["webhooks_per_day"] == 10
    assert table["staleness_minutes"] == 0  # webhooks tell of deals
    assert result["usd_per_month"] == pytest.approx(
        sum(line["usd_per_month"] for line in result["services"]), abs=0.05
    )


def test_what_is_given_is_not_measured(desk: Desk) -> None:
    desk.folder.mkdir()
    asyncio.run(_fill(desk, rows=10, webhooks=0))
    options = ("--changes-per-day", "5000", "--webhooks-per-day", "300", "--queries-per-day", "7")
    result = json.loads(
        desk.run("--costs", "--json", *options, "--price", "query_tib=8.13", "--region", "eu").stdout
    )
    assert result["usage"]["tables"][0]["changes_per_day"] == 5_000
    assert (result["usage"]["webhooks_per_day"], result["usage"]["queries_per_day"]) == (300, 7)
    assert result["prices"]["query_tib"] == 8.13


def test_the_costs_for_people_show_formula_knob_and_sum(desk: Desk) -> None:
    desk.folder.mkdir()
    asyncio.run(_fill(desk, rows=10, webhooks=0))
    text = desk.run("--costs", "--no-free-amounts").stdout
    assert "Cloud Run: $" in text
    assert "    = (0.000 TiB read by background merges + " in text
    assert "bigquery.staleness_minutes" in text
    assert text.splitlines()[-1].endswith("compared with no bill yet.")


@pytest.mark.parametrize("price", ["query_tib", "query_tib=dear", "nothing=1", "query_tib=-1"])
def test_a_mistaken_price_is_told(desk: Desk, price: str) -> None:
    assert isinstance(desk.run("--costs", "--price", price).exception, ConfigError)
