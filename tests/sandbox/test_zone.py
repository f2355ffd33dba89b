from __future__ import annotations

from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.sandbox.zone import instant, midnight, stamp


def _us(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1_000_000)


@pytest.mark.parametrize(
    ("utc", "local"),
    [
        ("2026-01-15T12:00:00+00:00", "2026-01-15T13:00:00.000+01:00"),
        ("2026-09-15T15:41:59.640+00:00", "2026-09-15T17:41:59.640+02:00"),
        ("2026-03-29T00:59:59+00:00", "2026-03-29T01:59:59.000+01:00"),
        ("2026-03-29T01:00:00+00:00", "2026-03-29T03:00:00.000+02:00"),
        ("2026-10-25T00:59:59+00:00", "2026-10-25T02:59:59.000+02:00"),
        ("2026-10-25T01:00:00+00:00", "2026-10-25T02:00:00.000+01:00"),
        ("2026-12-31T23:30:00+00:00", "2027-01-01T00:30:00.000+01:00"),
    ],
)
def test_the_offset_follows_summer_time(utc: str, local: str) -> None:
    assert stamp(_us(utc)) == local


@given(st.integers(365 * 86_400_000, 129 * 365 * 86_400_000))
def test_a_timestamp_means_the_instant_it_was_made_from(milliseconds: int) -> None:
    us = milliseconds * 1_000
    assert instant(stamp(us)) == us


@given(st.dates(date(1971, 1, 1), date(2099, 1, 1)))
def test_a_day_begins_at_midnight(day: date) -> None:
    assert stamp(midnight(day))[:19] == f"{day}T00:00:00"


def test_a_timestamp_without_an_offset_is_local() -> None:
    assert instant("2026-07-01T12:00:00") == _us("2026-07-01T10:00:00+00:00")
    assert instant("2026-07-01") == midnight(date(2026, 7, 1))
