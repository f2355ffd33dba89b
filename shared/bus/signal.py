"""Waiting for an event of this process with no polling, and for one of another process with little."""

from __future__ import annotations

import asyncio

from shared.clock import Clock


class Signal:
    """Counts events. Read `count` before looking for what the event brings, then wait for a larger one."""

    def __init__(self) -> None:
        self.count = 0
        self._waiting: set[asyncio.Future[None]] = set()

    def notify(self) -> None:
        """Wake everybody who waits; to be called in their event loop."""
        self.count += 1
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    async def wait(self, clock: Clock, seconds: float, *, seen: int) -> None:
        """Return when there was an event after the `seen`th, or after `seconds`."""
        if self.count != seen:
            return
        waiter = asyncio.get_running_loop().create_future()
        sleeper = asyncio.ensure_future(clock.sleep(seconds))
        self._waiting.add(waiter)
        try:
            await asyncio.wait((waiter, sleeper), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._waiting.discard(waiter)
            sleeper.cancel()
