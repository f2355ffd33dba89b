"""Time as a port, so that waiting and expiry can be tested without waiting."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

MICROSECONDS = 1_000_000


class Clock(Protocol):
    """What the services may know about time."""

    def now_us(self) -> int:
        """Wall-clock microseconds since 1970-01-01 UTC; may step."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Let `seconds` pass; zero or less only yields to the event loop."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_us(self) -> int:
        """See `Clock.now_us`."""
        return time.time_ns() // 1_000

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """See `Clock.sleep`."""
        await asyncio.sleep(max(0.0, seconds))


class ManualClock:
    """A clock that moves only when it is told to, or when somebody sleeps on it.

    `sleep` advances the clock by the whole time asked for and returns at once. With several sleepers
    each advances it, which suits tests that look at the order and length of waits (`slept`).
    """

    def __init__(self, start_us: int = 1_700_000_000 * MICROSECONDS) -> None:
        self._start_us = start_us
        self._elapsed = 0.0
        self.slept: list[float] = []

    def now_us(self) -> int:
        """See `Clock.now_us`."""
        return self._start_us + round(self._elapsed * MICROSECONDS)

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return self._elapsed

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass."""
        self._elapsed += seconds

    async def sleep(self, seconds: float) -> None:
        """See `Clock.sleep`."""
        self.slept.append(seconds)
        self.advance(max(0.0, seconds))
        await asyncio.sleep(0)
