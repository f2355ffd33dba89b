"""Productive's clock, told from the `Date` headers of its answers."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime

from shared.clock import MICROSECONDS, Clock


class ServerClock:
    """Our clock, corrected just as much as the `Date` headers prove necessary.

    A header with whole seconds, written between our sending and our receiving, bounds the difference of
    the two clocks from both sides; the bounds of many answers together are narrow. As long as no
    difference at all is possible, none is assumed; else the smallest possible one.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._bounds: tuple[int, int] | None = None

    @property
    def offset_us(self) -> int:
        """Microseconds to add to our clock to get Productive's."""
        if self._bounds is None:
            return 0
        low, high = self._bounds
        return min(max(0, low), high)

    def now_us(self) -> int:
        """Microseconds since 1970 UTC on Productive's clock."""
        return self._clock.now_us() + self.offset_us

    def translate(self, our_us: int) -> int:
        """What Productive's clock showed when ours showed `our_us`."""
        return our_us + self.offset_us

    def observe(self, date_header: str | None, *, sent_us: int, received_us: int) -> None:
        """Learn from one answer; a header that is missing or is no date teaches nothing."""
        date_us = _parse(date_header)
        if date_us is None or received_us < sent_us:
            return
        low, high = date_us - received_us, date_us + MICROSECONDS - sent_us
        if self._bounds is not None:
            joint = max(low, self._bounds[0]), min(high, self._bounds[1])
            if joint[0] <= joint[1]:
                self._bounds = joint
                return
        # Bounds that exclude each other mean that one of the clocks was set: only the newest holds.
        self._bounds = low, high


def _parse(header: str | None) -> int | None:
    if not header:
        return None
    try:
        moment = parsedate_to_datetime(header)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return round(moment.timestamp()) * MICROSECONDS
    except (ValueError, OverflowError):
        return None
