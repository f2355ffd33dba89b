"""Time as the make-believe organization tells it: Central European, with milliseconds and an offset.

Productive prints timestamps with a numeric offset that changes with summer time, never with `Z`
(seen in recorded responses). The rule is computed here, so that no time-zone database is needed.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

SECOND = 1_000_000
DAY = 86_400 * SECOND
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 -- naive on purpose: offsets are added by hand
_EPOCH_DAY = date(1970, 1, 1)


@lru_cache(maxsize=256)
def _summer(year: int) -> tuple[int, int]:
    """Microseconds at which summer time begins and ends: the last Sundays of March and October, 01:00 UTC."""

    def last_sunday(month: int) -> int:
        day = date(year, month, 31)
        day -= timedelta(days=(day.weekday() + 1) % 7)
        return (day - _EPOCH_DAY).days * DAY + 3600 * SECOND

    return last_sunday(3), last_sunday(10)


def offset_us(us: int) -> int:
    """How far the organization's clock is ahead of UTC at an instant, in microseconds."""
    year = 1970 + int(us / (365.2425 * DAY))
    begins, ends = _summer(year)
    return (7200 if begins <= us < ends else 3600) * SECOND


def stamp(us: int) -> str:
    """`2026-09-15T17:41:59.640+02:00` for an instant in microseconds."""
    offset = offset_us(us)
    local = _EPOCH + timedelta(microseconds=us + offset)
    return f"{local.isoformat(timespec='milliseconds')}+0{offset // (3600 * SECOND)}:00"


def instant(text: str) -> int:
    """Microseconds of an ISO 8601 timestamp; one without an offset is the organization's local time.

    Raises ValueError when the text is no timestamp.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        local = (moment - _EPOCH) // timedelta(microseconds=1)
        return local - offset_us(local - 3600 * SECOND)
    return (moment.astimezone(UTC).replace(tzinfo=None) - _EPOCH) // timedelta(microseconds=1)


def local_day(us: int) -> str:
    """The organization's date at an instant, `YYYY-MM-DD`."""
    return stamp(us)[:10]


def midnight(day: date) -> int:
    """The instant at which a day begins for the organization, in microseconds."""
    local = (day - _EPOCH_DAY).days * DAY
    return local - offset_us(local - 3600 * SECOND)
