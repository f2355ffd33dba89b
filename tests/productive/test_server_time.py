from __future__ import annotations

import pytest

from shared.clock import MICROSECONDS, ManualClock
from shared.productive.server_clock import ServerClock
from shared.productive.server_time import ServerTime, ServerTimePolicy

DAY_START_US = 1_700_006_400 * MICROSECONDS
POLICY = ServerTimePolicy(per_hour=100.0, per_day=350.0, share=0.9)


@pytest.fixture
def clock() -> ManualClock:
    clock = ManualClock(DAY_START_US)
    clock.advance(600.0)
    return clock


@pytest.fixture
def budget(clock: ManualClock) -> ServerTime:
    return ServerTime(POLICY, ServerClock(clock))


def test_the_documented_budget_is_the_default() -> None:
    assert (ServerTimePolicy().per_hour, ServerTimePolicy().per_day) == (1_800.0, 21_600.0)
    scaled = ServerTimePolicy().scaled(0.5)
    assert (scaled.per_hour, scaled.per_day, scaled.share) == (900.0, 10_800.0, 0.9)


def test_the_time_that_the_server_states_is_believed(budget: ServerTime) -> None:
    budget.add(elapsed=3.0, runtime_header="0.25")
    assert budget.used_this_hour == 0.25


@pytest.mark.parametrize("header", [None, "", "fast", "nan", "-1", "1e9"])
def test_without_it_the_wait_less_the_shortest_one_counts(budget: ServerTime, header: str | None) -> None:
    for elapsed in (0.5, 0.2, 1.2):
        budget.add(elapsed=elapsed, runtime_header=header)
    assert budget.used_this_hour == pytest.approx(1.0)


def test_it_pauses_until_the_full_hour_when_the_share_is_used_up(
    budget: ServerTime, clock: ManualClock
) -> None:
    budget.add(elapsed=1.0, runtime_header="89.9")
    assert budget.pause() == 0.0
    budget.add(elapsed=1.0, runtime_header="0.1")
    assert budget.pause() == 3_000.0
    clock.advance(3_000.0)
    assert budget.pause() == 0.0
    assert (budget.used_this_hour, budget.used_today) == (0.0, 90.0)


def test_it_pauses_until_midnight_when_the_share_of_the_day_is_used_up(
    budget: ServerTime, clock: ManualClock
) -> None:
    for _ in range(4):
        budget.add(elapsed=1.0, runtime_header="80")
        clock.advance(3_600.0)
    assert budget.pause() == 86_400.0 - 600.0 - 4 * 3_600.0
    clock.advance(budget.pause())
    assert budget.pause() == 0.0
    assert budget.used_today == 0.0


def test_hours_and_days_are_those_of_productives_clock(clock: ManualClock) -> None:
    theirs = ServerClock(clock)
    theirs.observe(
        "Wed, 15 Nov 2023 00:40:00 GMT", sent_us=clock.now_us(), received_us=clock.now_us() + 1_000
    )
    budget = ServerTime(POLICY, theirs)
    assert budget.until_next_hour() == pytest.approx(1_200.0, abs=1.1)
    assert budget.until_next_day() == pytest.approx(86_400.0 - 2_400.0, abs=1.1)
