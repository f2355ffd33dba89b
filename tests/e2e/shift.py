"""Clocks that hours can be put on without waiting, and set wrong."""

from __future__ import annotations

from shared.clock import MICROSECONDS, SystemClock


class ShiftedClock(SystemClock):
    """The machine's clock, moved ahead; a `step` moves only the time of day, as when a clock is set."""

    def __init__(self, ahead: ShiftedClock | None = None) -> None:
        self._base = ahead
        self._seconds = 0.0
        self._stepped_us = 0

    def now_us(self) -> int:
        return super().now_us() + round(self.ahead * MICROSECONDS) + self._stepped_us

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead

    @property
    def ahead(self) -> float:
        """By how many seconds it was moved, with the clock that it follows."""
        return self._seconds + (self._base.ahead if self._base else 0.0)

    def advance(self, seconds: float) -> None:
        """Let so much time pass for all who look at it."""
        self._seconds += seconds

    def step(self, seconds: float) -> None:
        """Set the time of day."""
        self._stepped_us += round(seconds * MICROSECONDS)
