"""Time as the make-believe organization tells it: Central European, with milliseconds and an offset.

Productive prints timestamps with a numeric offset that changes with summer time, never with `Z`
(seen in recorded responses). The rule is computed here, so that no time-zone database is needed.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

SECOND = 1_000_000
HOUR = 3_600 * SECOND
DAY = 24 * HOUR
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 -- naive on purpose: offsets are added by hand
_EPOCH_DAY = date(1970, 1, 1)


@lru_cache(maxsize=256)
def _summer(year: int) -> tuple[int, int]:
    """Microseconds at which summer time begins and ends: the last Sundays of March and October, 01:00 UTC."""

    def last_sunday(month: int) -> int:
        day = date(year, month, 31)
        day -= timedelta(days=(day.weekday() + 1) % 7)
        return (day - _EPOCH_DAY).days * DAY + HOUR

    return last_sunday(3), last_sunday(10)


def offset_us(us: int) -> int:
    """How far the organization's clock is ahead of UTC at an instant, in microseconds."""
    year = 1970 + int(us / (365.2425 * DAY))
    begins, ends = _summer(year)
    return 2 * HOUR if begins <= us < ends else HOUR


@lru_cache(maxsize=8192)
def _hour(number: int) -> tuple[str, str]:
    """What all timestamps of one hour since 1970 begin and end with; offsets change on the hour."""
    us = number * HOUR
    offset = offset_us(us)
    local = _EPOCH + timedelta(microseconds=us + offset)
    return f"{local:%Y-%m-%dT%H:}", f"+0{offset // HOUR}:00"


def stamp(us: int) -> str:
    """`2026-09-15T17:41:59.640+02:00` for an instant in microseconds."""
    begin, end = _hour(us // HOUR)
    minute, rest = divmod(us % HOUR // 1000, 60_000)
    return f"{begin}{minute:02d}:{rest // 1000:02d}.{rest % 1000:03d}{end}"


def instant(text: str) -> int:
    """Microseconds of an ISO 8601 timestamp; one without an offset is the organization's local time.

    Raises ValueError when the text is no timestamp.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        local = (moment - _EPOCH) // timedelta(microseconds=1)
        return local - offset_us(local - HOUR)
    return (moment.astimezone(UTC).replace(tzinfo=None) - _EPOCH) // timedelta(microseconds=1)


def local_day(us: int) -> str:
    """The organization's date at an instant, `YYYY-MM-DD`."""
    return stamp(us)[:10]


def midnight(day: date) -> int:
    """The instant at which a day begins for the organization, in microseconds."""
    local = (day - _EPOCH_DAY).days * DAY
    return local - offset_us(local - HOUR)
