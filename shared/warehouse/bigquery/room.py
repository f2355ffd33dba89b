"""A bounded room for what is unanswered: so many requests, and so many bytes."""

from __future__ import annotations

import asyncio
from collections import deque


class Room:
    """First come, first served. A request larger than the room has it to itself."""

    def __init__(self, *, requests: int, bytes_: int) -> None:
        self._most_requests = requests
        self._most_bytes = bytes_
        self._waiters: deque[tuple[asyncio.Future[None], int]] = deque()
        self.requests = 0
        self.bytes = 0

    async def take(self, size: int) -> None:
        """Wait for room and take it; whoever does gives it back with `give`."""
        if not self._waiters and self._fits(size):
            self._hold(size)
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append((waiter, size))
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.cancelled():
                self._waiters.remove((waiter, size))
                self._admit()
            else:
                self.give(size)
            raise

    def give(self, size: int) -> None:
        """Give back what was taken."""
        self.requests -= 1
        self.bytes -= size
        self._admit()

    def _fits(self, size: int) -> bool:
        return not self.requests or (
            self.requests < self._most_requests and self.bytes + size <= self._most_bytes
        )

    def _hold(self, size: int) -> None:
        self.requests += 1
        self.bytes += size

    def _admit(self) -> None:
        while self._waiters and self._fits(self._waiters[0][1]):
            waiter, size = self._waiters[0]
            if waiter.done():
                return  # cancelled a moment ago: it takes itself out
            self._waiters.popleft()
            self._hold(size)
            waiter.set_result(None)
