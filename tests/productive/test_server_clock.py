from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.clock import MICROSECONDS, ManualClock
from shared.productive.server_clock import ServerClock

NOW_US = 1_700_000_000 * MICROSECONDS + 400_000


def date_header(server_us: int) -> str:
    return formatdate(server_us // MICROSECONDS, usegmt=True)


def observe(
    clock: ServerClock, *, sent_us: int, offset_us: int, up_us: int = 20_000, down_us: int = 20_000
) -> None:
    written_us = sent_us + up_us
    clock.observe(date_header(written_us + offset_us), sent_us=sent_us, received_us=written_us + down_us)


def test_a_clock_that_may_be_right_is_left_alone() -> None:
    clock = ServerClock(ManualClock())
    for i in range(20):
        observe(clock, sent_us=NOW_US + i * 130_000, offset_us=0)
    assert clock.offset_us == 0


@pytest.mark.parametrize("offset_us", [-3_600_000_000, -5_250_000, 7_100_000, 86_400_000_000])
def test_many_answers_tell_the_difference_to_within_a_round_trip(offset_us: int) -> None:
    clock = ServerClock(ManualClock())
    for i in range(60):
        observe(clock, sent_us=NOW_US + i * 1_017_000, offset_us=offset_us)
    assert abs(clock.offset_us - offset_us) <= 60_000
    assert clock.now_us() == ManualClock().now_us() + clock.offset_us
    assert clock.translate(5) == 5 + clock.offset_us


@given(
    st.integers(-(10**13), 10**13),
    st.lists(st.tuples(st.integers(0, 10**8), st.integers(0, 10**6), st.integers(0, 10**6)), min_size=1),
)
def test_the_true_difference_is_never_excluded(offset_us: int, answers: list[tuple[int, int, int]]) -> None:
    clock = ServerClock(ManualClock())
    sent_us = NOW_US
    for gap, up, down in answers:
        sent_us += gap
        observe(clock, sent_us=sent_us, offset_us=offset_us, up_us=up, down_us=down)
        assert abs(clock.offset_us) <= abs(offset_us)
        assert clock.offset_us * offset_us >= 0


def test_after_a_clock_was_set_only_the_newest_answer_counts() -> None:
    clock = ServerClock(ManualClock())
    observe(clock, sent_us=NOW_US, offset_us=0)
    observe(clock, sent_us=NOW_US + 1_000_000, offset_us=60_000_000)
    assert abs(clock.offset_us - 60_000_000) <= 1_100_000


@pytest.mark.parametrize("zone", ["GMT", "+0000", "-0000"])
def test_a_date_is_read_however_its_zone_is_written(zone: str) -> None:
    clock = ServerClock(ManualClock())
    clock.observe(f"Tue, 14 Nov 2023 23:13:20 {zone}", sent_us=NOW_US, received_us=NOW_US)
    assert clock.offset_us == 3_600_000_000 - 400_000


@pytest.mark.parametrize("header", [None, "", "yesterday", "Tue, 99 Foo 2023 99:99:99 GMT"])
def test_a_date_that_is_missing_or_none_teaches_nothing(header: str | None) -> None:
    clock = ServerClock(ManualClock())
    clock.observe(header, sent_us=NOW_US, received_us=NOW_US + 1)
    assert clock.offset_us == 0


def test_an_answer_during_which_our_clock_went_back_teaches_nothing() -> None:
    clock = ServerClock(ManualClock())
    clock.observe(date_header(NOW_US + 10**9), sent_us=NOW_US, received_us=NOW_US - 1)
    assert clock.offset_us == 0
