"""What was deleted stays deleted, also when BigQuery has forgotten that it was."""

from __future__ import annotations

import pytest

from shared.errors import StorageError
from shared.record.model import Version
from shared.warehouse.bigquery.adapter import BigqueryWarehouse
from shared.warehouse.bigquery.append_settings import AppendSettings
from tests.contracts.warehouse import DEALS, deletion, everything, row, tombstones
from tests.google.bigquery_place import BigqueryPlace
from tests.warehouse.bigquery import LongAgo, MovingClock, let_pass, opened

THREE_DAYS = 3 * 86_400.0
SECOND = 1_000_000
DAY = 86_400 * SECOND


async def test_bigquery_by_itself_forgets_a_deletion_after_two_days(bigquery_place: BigqueryPlace) -> None:
    # Where no row counts as old nothing is compared: this is what all the others are about.
    async with opened(bigquery_place, clock=LongAgo()) as warehouse:
        await warehouse.ensure_table(DEALS)
        await warehouse.write(DEALS, [row("1", 1, name="a")])
        await warehouse.write(DEALS, [deletion("1", 5)])
        await warehouse.write(DEALS, [row("1", 2, name="late")])
        assert await everything(warehouse, DEALS) == {}
        let_pass(bigquery_place, MovingClock(), THREE_DAYS)
        await warehouse.write(DEALS, [row("1", 3, name="back")])
        assert (await everything(warehouse, DEALS)).keys() == {"1"}


async def test_a_replay_of_old_messages_does_not_bring_a_deleted_row_back(
    bigquery_place: BigqueryPlace,
) -> None:
    clock = MovingClock()
    async with opened(bigquery_place, clock=clock) as warehouse:
        await warehouse.ensure_table(DEALS)
        now = clock.now_us()
        await warehouse.write(DEALS, [row("1", now, name="a"), row("2", now, name="b")])
        await warehouse.write(DEALS, [deletion("1", now + SECOND)])
        let_pass(bigquery_place, clock, THREE_DAYS)
        replayed = await warehouse.write(DEALS, [row("1", now, name="a"), row("2", now, name="b")])
        assert (replayed.applied, replayed.stale) == (0, 2)
        assert (await everything(warehouse, DEALS)).keys() == {"2"}
        assert await tombstones(warehouse) == {("1", now + SECOND, now + SECOND)}


async def test_a_process_that_comes_later_knows_what_was_deleted(bigquery_place: BigqueryPlace) -> None:
    clock = MovingClock()
    now = clock.now_us()
    async with opened(bigquery_place, clock=clock) as warehouse:
        await warehouse.ensure_table(DEALS)
        await warehouse.write(DEALS, [deletion("never seen", now)])
    let_pass(bigquery_place, clock, THREE_DAYS)
    async with opened(bigquery_place, clock=clock) as warehouse:
        await warehouse.ensure_table(DEALS)
        await warehouse.write(DEALS, [row("never seen", now - SECOND, name="late")])
        assert await everything(warehouse, DEALS) == {}


async def test_a_table_that_shows_changes_late_keeps_old_states_out_all_the_same(
    bigquery_place: BigqueryPlace,
) -> None:
    clock = MovingClock()
    async with opened(bigquery_place, clock=clock, staleness_minutes=720) as warehouse:
        await warehouse.ensure_table(DEALS)
        now = clock.now_us()
        old = row("1", now - 4 * DAY, name="old")
        await warehouse.write(DEALS, [deletion("1", now), row("2", now, name="b")])
        # Nothing shows yet: BigQuery itself orders what comes now.
        assert await everything(warehouse, DEALS) == {}
        for hours in (1, 10, 23, 3, 24):
            await warehouse.write(DEALS, [old, row("2", now - 4 * DAY, name="old")])
            let_pass(bigquery_place, clock, hours * 3_600)
        assert await everything(warehouse, DEALS) == {"2": {"id": "2", "name": "b"}}


async def test_an_old_state_that_is_newer_than_the_deletion_is_written(bigquery_place: BigqueryPlace) -> None:
    clock = MovingClock()
    async with opened(bigquery_place, clock=clock) as warehouse:
        await warehouse.ensure_table(DEALS)
        now = clock.now_us()
        await warehouse.write(DEALS, [deletion("1", now), row("2", now, name="old")])
        let_pass(bigquery_place, clock, THREE_DAYS)
        late = [row("1", now + SECOND, name="again"), row("2", now + SECOND, name="new"), row("3", now)]
        outcome = await warehouse.write(DEALS, late)
        assert (outcome.applied, outcome.stale) == (3, 0)
        assert await everything(warehouse, DEALS) == {
            "1": {"id": "1", "name": "again"},
            "2": {"id": "2", "name": "new"},
            "3": {"id": "3"},
        }
        assert await tombstones(warehouse) == set()


async def test_an_old_deletion_does_not_take_a_newer_row_away(bigquery_place: BigqueryPlace) -> None:
    clock = MovingClock()
    async with opened(bigquery_place, clock=clock) as warehouse:
        await warehouse.ensure_table(DEALS)
        now = clock.now_us()
        await warehouse.write(DEALS, [row("1", now, name="a")])
        let_pass(bigquery_place, clock, THREE_DAYS)
        assert (await warehouse.write(DEALS, [deletion("1", now - SECOND)])).stale == 1
        assert (await everything(warehouse, DEALS)).keys() == {"1"}


async def test_old_rows_with_a_value_that_does_not_fit_are_refused_or_stale(
    bigquery_place: BigqueryPlace,
) -> None:
    clock = MovingClock()
    async with opened(bigquery_place, clock=clock) as warehouse:
        await warehouse.ensure_table(DEALS)
        await warehouse.write(DEALS, [row("1", 9, name="a")])
        rows = [row("1", 8, position="x"), row("2", 3, position="x"), row("2", 2, name="good")]
        outcome = await warehouse.write(DEALS, rows)
        assert ([each.index for each in outcome.refused], outcome.applied, outcome.stale) == ([1], 1, 1)


async def test_what_lost_within_one_write_is_not_compared_twice(bigquery_place: BigqueryPlace) -> None:
    async with opened(bigquery_place, clock=MovingClock()) as warehouse:
        await warehouse.ensure_table(DEALS)
        rows = [row("1", version, name=f"{version}") for version in (3, 1, 2)] + [deletion("1", 2)]
        outcome = await warehouse.write(DEALS, rows)
        assert (outcome.applied, outcome.stale) == (1, 3)
        again = await warehouse.write(DEALS, rows)
        assert (again.applied, again.stale) == (0, 4)
        assert await versions_of(warehouse) == {"1": Version(3, 3)}


async def versions_of(warehouse: BigqueryWarehouse) -> dict[str, Version]:
    return {
        each.id: Version(each.changed_us, each.observed_us)
        async for chunk in warehouse.versions("deals")
        for each in chunk
    }


@pytest.mark.parametrize("deletion_first", [True, False])
async def test_of_one_version_the_deletion_wins_whichever_comes_first(
    bigquery_place: BigqueryPlace, deletion_first: bool
) -> None:
    rows = [deletion("1", 5), row("1", 5, name="a")]
    async with opened(bigquery_place) as warehouse:
        await warehouse.ensure_table(DEALS)
        for each in rows if deletion_first else rows[::-1]:
            await warehouse.write(DEALS, [each])
        assert await everything(warehouse, DEALS) == {}


async def test_a_deletion_is_remembered_before_it_is_done(bigquery_place: BigqueryPlace) -> None:
    async with opened(bigquery_place, append=AppendSettings(missing_seconds=0.1)) as warehouse:
        await warehouse.ensure_table(DEALS)
        with bigquery_place.client() as client:
            client.delete_table(f"{bigquery_place.project}.{bigquery_place.dataset}.deals", retry=None)
        with pytest.raises(StorageError):
            await warehouse.write(DEALS, [deletion("1", 5)])
    async with opened(bigquery_place) as warehouse:
        assert await tombstones(warehouse) == {("1", 5, 5)}
