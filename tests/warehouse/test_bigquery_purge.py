"""What is purged from BigQuery, and what a history gives up by itself."""

from __future__ import annotations

import json

from shared.warehouse.bigquery.adapter import BigqueryWarehouse
from tests.contracts.warehouse import KEPT, deletion, everything, row
from tests.google.bigquery_place import BigqueryPlace
from tests.warehouse.bigquery import MovingClock, let_pass, opened

DAY = 86_400_000_000


async def test_a_purge_takes_away_what_a_query_does_not_show_yet(bigquery_place: BigqueryPlace) -> None:
    clock = MovingClock()
    async with opened(bigquery_place, clock=clock, staleness_minutes=30) as warehouse:
        await warehouse.ensure_table(KEPT)
        await warehouse.write(KEPT, [row("1", clock.now_us(), name="not shown yet")])
        assert await everything(warehouse, KEPT) == {}
        assert await warehouse.purge_rows("deals", ["1"]) == 1
        let_pass(bigquery_place, clock, 31 * 60)
        assert await everything(warehouse, KEPT) == {}
        assert await sightings(warehouse) == []
        await warehouse.ensure_table(KEPT)
        state = await warehouse.state("deals")
        assert state is not None
        assert state.late_seconds == 1_800


async def test_a_purged_row_leaves_nothing_anywhere(bigquery_place: BigqueryPlace) -> None:
    async with opened(bigquery_place) as warehouse:
        await warehouse.ensure_table(KEPT)
        await warehouse.write(KEPT, [row("1", 1, name="secret"), row("2", 1, name="kept")])
        await warehouse.write(KEPT, [row("1", 2, name="secret too"), deletion("3", 1)])
        await warehouse.write(KEPT, [deletion("1", 3)])
        await warehouse.purge_rows("deals", ["1"])
        with bigquery_place.client() as client:
            tables = [item.table_id for item in client.list_tables(bigquery_place.dataset, retry=None)]
        assert "deals__history" in tables
        for table in tables:
            found = await warehouse.query(f"SELECT TO_JSON_STRING(t) FROM `{table}` t")
            assert "secret" not in str(found.rows)
            assert "/1" not in str(found.rows)
            assert '"1"' not in [json.loads(text).get("id") for (text,) in found.rows]


async def sightings(warehouse: BigqueryWarehouse) -> list[int]:
    found = await warehouse.query("SELECT UNIX_MICROS(_synced_at) AS seen FROM deals__history ORDER BY seen")
    return [seen // DAY for (seen,) in found.rows]


async def test_a_record_that_is_read_every_day_does_not_fill_the_history(
    bigquery_place: BigqueryPlace,
) -> None:
    async with opened(bigquery_place) as warehouse:
        await warehouse.ensure_table(KEPT)
        await warehouse.write(KEPT, [row("1", (1, day * DAY), name="same") for day in range(1, 21)])
    async with opened(bigquery_place) as warehouse:
        await warehouse.ensure_table(KEPT)
        # The first time that it was so, and what somebody may still come between.
        assert await sightings(warehouse) == [1, *range(13, 21)]
        found = await warehouse.query("SELECT name, UNIX_MICROS(_valid_from), _is_current FROM deals_history")
        assert found.rows == [("same", 1, True)]


async def test_a_history_with_few_sightings_is_left_as_it_is(bigquery_place: BigqueryPlace) -> None:
    async with opened(bigquery_place) as warehouse:
        await warehouse.ensure_table(KEPT)
        await warehouse.write(KEPT, [row("1", (1, day * DAY), name="same") for day in (1, 10, 20)])
        await warehouse.ensure_table(KEPT)
        assert await sightings(warehouse) == [1, 10, 20]
