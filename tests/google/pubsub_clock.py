"""A clock that goes as the machine's does, and can be put forward."""

from __future__ import annotations

import asyncio
import contextlib
import time


class ForwardClock:
    """`Clock` for tests with real connections: time passes by itself, and at once when it is told to."""

    def __init__(self) -> None:
        self._ahead = 0.0
        self._sleepers: set[asyncio.Future[None]] = set()

    def now_us(self) -> int:
        return time.time_ns() // 1_000 + round(self._ahead * 1_000_000)

    def monotonic(self) -> float:
        return time.monotonic() + self._ahead

    async def sleep(self, seconds: float) -> None:
        end = self.monotonic() + seconds
        if seconds <= 0:
            await asyncio.sleep(0)
        while (left := end - self.monotonic()) > 0:
            woken = asyncio.get_running_loop().create_future()
            self._sleepers.add(woken)
            try:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(left):
                        await woken
            finally:
                self._sleepers.discard(woken)

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass now; whoever's sleep is over by then wakes."""
        self._ahead += seconds
        for woken in self._sleepers:
            if not woken.done():
                woken.set_result(None)
