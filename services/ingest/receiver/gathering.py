"""Natural batches: what arrives while a call is under way goes together into the next one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Gathering(Generic[T, R]):
    """Hands items to `call` in batches; every item of a batch gets what the call returned or raised.

    `lanes` calls may be under way at once. A batch has up to `max_items` items and `max_bytes` bytes (one
    item may be larger). How many items wait is for those who submit them to bound: each waits for its own.
    """

    def __init__(
        self,
        call: Callable[[Sequence[T]], Awaitable[R]],
        *,
        max_items: int,
        max_bytes: int,
        lanes: int = 1,
    ) -> None:
        self._call = call
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._free_lanes = lanes
        self._waiting: deque[tuple[T, int, asyncio.Future[R]]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    def submit(self, item: T, size: int) -> asyncio.Future[R]:
        """Have the item go with the next call. Who stops waiting does not stop the call."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, size, future))
        if self._free_lanes:
            self._free_lanes -= 1
            # A lane outlives the request that opened it, and must not go on in that one's trace.
            task = asyncio.create_task(self._work(), context=Context())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return future

    async def settle(self, *, seconds: float) -> None:
        """Wait for everything submitted so far, up to `seconds`; then end it."""
        if self._tasks:
            _, slow = await asyncio.wait(self._tasks, timeout=seconds)
            for task in slow:
                task.cancel()
            if slow:
                await asyncio.wait(slow, timeout=seconds)
        for _, _, future in self._waiting:
            future.cancel()
        self._waiting.clear()

    async def _work(self) -> None:
        try:
            while self._waiting:
                items, futures = self._next_batch()
                await self._run(items, futures)
        finally:
            self._free_lanes += 1

    def _next_batch(self) -> tuple[list[T], list[asyncio.Future[R]]]:
        items: list[T] = []
        futures: list[asyncio.Future[R]] = []
        size = 0
        while self._waiting and len(items) < self._max_items:
            item, weight, future = self._waiting[0]
            if items and size + weight > self._max_bytes:
                break
            self._waiting.popleft()
            items.append(item)
            futures.append(future)
            size += weight
        return items, futures

    async def _run(self, items: Sequence[T], futures: Sequence[asyncio.Future[R]]) -> None:
        try:
            result = await self._call(items)
        except asyncio.CancelledError:
            for future in futures:
                future.cancel()
            raise
        except Exception as error:
            for future in futures:
                if not future.done():
                    future.set_exception(error)
                    # Whoever has stopped waiting does not ask for it, and asyncio would complain.
                    future.exception()
        else:
            for future in futures:
                if not future.done():
                    future.set_result(result)
