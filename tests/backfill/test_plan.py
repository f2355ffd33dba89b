"""Which tables are read as a whole, which by their changes, and that no change falls in between."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.backfill.plan import Coverage, Mode, Plan, Schedule, Scope, plan_table
from shared.catalog import load_catalog
from shared.clock import MICROSECONDS
from shared.productive import Learned

HOUR = 3600 * MICROSECONDS
DAY = 24 * HOUR
NOW = 20_000 * DAY
SCHEDULE = Schedule()
READ = Coverage(watermark_us=NOW - HOUR, full_us=NOW - DAY, fingerprint="f")
BY_FILTER = {
    "updated_at": {"tasks", "time_entries", "bookings", "expenses", "services"},
    "last_activity_at": {"deals", "invoices", "companies", "people", "pages"},
}
times = st.integers(0, NOW)


def plan(
    name: str,
    coverage: Coverage = READ,
    *,
    scope: Scope | None = None,
    refused_filters: Sequence[str] = (),
    refused_sorts: Sequence[str] = (),
    schedule: Schedule = SCHEDULE,
    now_us: int = NOW,
    fingerprint: str = "f",
    rows: int | None = None,
    trying_again: bool = False,
) -> Plan:
    return plan_table(
        load_catalog().table(name),
        scope or Scope(),
        coverage,
        Learned(refused_filters=tuple(refused_filters), refused_sorts=tuple(refused_sorts)),
        fingerprint=fingerprint,
        now_us=now_us,
        schedule=schedule,
        rows=rows,
        trying_again=trying_again,
    )


@pytest.mark.parametrize(("filter_", "names"), BY_FILTER.items())
def test_changes_are_asked_for_by_filter_since_the_watermark_less_an_overlap(
    filter_: str, names: set[str]
) -> None:
    for name in names:
        assert plan(name) == Plan(since_us=NOW - HOUR - 120 * MICROSECONDS, filter=filter_)


def test_every_other_default_table_is_read_whole_or_by_the_order_of_its_changes() -> None:
    plans = {table.name: plan(table.name) for table in load_catalog().default_tables()}
    by_filter = {name for names in BY_FILTER.values() for name in names}
    assert {name for name, chosen in plans.items() if chosen.filter} == by_filter
    assert {name: chosen.sort for name, chosen in plans.items() if chosen.sort} == {
        "projects": "last_activity_at",
        "page_versions": "updated_at",
        "filters": "updated_at",
        "sessions": "last_activity_at",
    }
    assert all(chosen.reason == "its changes cannot be asked for" for chosen in plans.values() if chosen.full)


@pytest.mark.parametrize("name", ["tasks", "projects", "comments"])
@pytest.mark.parametrize(
    ("coverage", "reason"),
    [
        (Coverage(), "not read to its end before"),
        (Coverage(watermark_us=NOW - HOUR), "not read to its end before"),
        (Coverage(NOW - HOUR, NOW - DAY, "other"), "what is selected of it has changed"),
        (Coverage(NOW - HOUR, NOW - 8 * DAY, "f"), "due again"),
        (Coverage(NOW + 2 * DAY, NOW - DAY, "f"), "it was last read at a time that is still to come"),
    ],
)
def test_what_is_not_known_to_be_whole_is_read_whole(name: str, coverage: Coverage, reason: str) -> None:
    assert plan(name, coverage) == Plan(reason=reason)


def test_columns_that_were_refused_before_are_tried_for_all_rows() -> None:
    assert plan("tasks", trying_again=True).full


def test_not_all_tables_are_due_at_once_and_none_later_than_the_setting_says() -> None:
    names = [table.name for table in load_catalog().default_tables() if plan(table.name).since_us]

    def due(days: float) -> set[str]:
        coverage = Coverage(NOW - HOUR, NOW - round(days * DAY), "f")
        return {name for name in names if plan(name, coverage).full}

    assert due(5.2) == set()
    assert set() < due(6) < set(names)
    assert due(7) == set(names)


def test_a_refused_filter_leaves_the_order_and_a_refused_order_the_whole_table() -> None:
    assert plan("tasks", refused_filters=["updated_at"]).sort == "updated_at"
    sorts = ["updated_at"]
    assert plan("tasks", refused_filters=["updated_at"], refused_sorts=sorts).sort == "last_activity_at"
    sorts.append("last_activity_at")
    assert plan("tasks", refused_filters=["updated_at"], refused_sorts=sorts).full
    assert plan("services", refused_filters=["updated_at"]).full


def test_no_order_counts_that_shows_only_what_is_new() -> None:
    for table in load_catalog().values():
        assert not {"created_at", "id", "date"} & set(table.change_sorts)


def test_everything_is_read_when_it_is_asked_for() -> None:
    assert plan("tasks", scope=Scope(Mode.FULL)) == Plan(reason="asked for")


@given(times)
def test_changes_since_a_time_are_read_from_that_time_on(since_us: int) -> None:
    chosen = plan("tasks", Coverage(), scope=Scope(Mode.SINCE, since_us))
    assert (chosen.since_us, chosen.filter) == (since_us, "updated_at")
    assert plan("tags", scope=Scope(Mode.SINCE, since_us)).full


@given(times, times)
def test_windows_follow_each_other_from_the_beginning_to_an_open_end_that_is_far_from_a_closed_one(
    since_us: int, now_us: int
) -> None:
    chosen = plan("tasks", scope=Scope(Mode.SINCE, since_us), now_us=now_us)
    windows = [chosen.window(number) for number in range(len(chosen.borders) + 1)]
    assert windows[0][0] == since_us
    assert [end for _, end in windows[:-1]] == [start for start, _ in windows[1:]]
    assert windows[-1][1] is None
    assert all(end is not None and start < end <= now_us - 7 * DAY for start, end in windows[:-1])
    assert len(windows) <= 33


def test_a_pause_of_two_weeks_is_caught_up_with_in_one_go() -> None:
    assert plan("tasks", scope=Scope(Mode.SINCE, NOW - 14 * DAY + 1)).borders == ()
    weeks = Scope(Mode.SINCE, NOW - 21 * DAY)
    assert plan("tasks", scope=weeks).borders == (NOW - 14 * DAY, NOW - 7 * DAY)
    assert plan("tasks", scope=weeks, rows=10**6).borders == (NOW - 14 * DAY, NOW - 7 * DAY)


def test_a_table_of_few_pages_is_not_read_in_more_windows_than_that() -> None:
    long_ago = Scope(Mode.SINCE, 0)
    assert [len(plan("tasks", scope=long_ago, rows=rows).borders) for rows in (0, 199, 450, 10**6)] == [
        *(0, 0, 2, 32)
    ]


@given(
    st.lists(
        st.tuples(st.sampled_from(["auto", "full", "since"]), times, st.booleans(), st.sampled_from("fg"))
    )
)
def test_after_any_runs_everything_before_the_watermark_was_read_and_it_never_goes_back(
    runs: list[tuple[str, int, bool, str]],
) -> None:
    coverage, now_us = Coverage(), 0
    read_until = -1  # what is read without a gap from the beginning
    for mode, moment, completed, fingerprint in runs:
        now_us += moment % (3 * DAY) + 1
        scope = Scope(Mode(mode), moment % now_us if mode == "since" else None)
        chosen = plan("tasks", coverage, scope=scope, now_us=now_us, fingerprint=fingerprint)
        if not completed:
            continue
        if chosen.since_us is None or chosen.since_us <= read_until:
            read_until = max(read_until, now_us)
        before, coverage = coverage, coverage.after(chosen, now_us, fingerprint)
        assert (coverage.watermark_us or 0) >= (before.watermark_us or 0)
        assert (coverage.full_us or 0) >= (before.full_us or 0)
        assert (coverage.watermark_us or -1) <= read_until
    assert msgspec.json.decode(msgspec.json.encode(coverage), type=Coverage) == coverage


def test_a_run_is_resumed_only_for_what_it_does() -> None:
    auto, full, since, longer = Scope(), Scope(Mode.FULL), Scope(Mode.SINCE, 5), Scope(Mode.SINCE, 4)
    assert all(scope.covers(auto) and scope.covers(scope) for scope in (auto, full, since))
    assert longer.covers(since)
    assert not since.covers(longer)
    assert not any(scope.covers(full) for scope in (auto, since))
    assert not any(scope.covers(since) for scope in (auto, full))
