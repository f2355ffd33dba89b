"""Threads for those of Google's clients that block, bounded in number and each call in time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


class ClosedError(Exception):
    """Nothing more is run here."""


class Threads:
    """Runs blocking calls in at most `most` threads; more of them wait for their turn, not in a queue.

    A call that takes too long is left behind in its thread, which is not free again until it ends: a client
    that hangs takes no more than these threads. `ClosedError` after `close`.
    """

    def __init__(self, most: int, name: str) -> None:
        self._executor = ThreadPoolExecutor(most, thread_name_prefix=name)
        self._free = asyncio.Semaphore(most)
        self._running: set[asyncio.Future[Any]] = set()

    async def run(self, call: Callable[[], T], seconds: float) -> T:
        """What the call returns or raises; `TimeoutError` when that takes longer than `seconds`.

        A call that was begun goes on when its caller is cancelled, or has no more patience.
        """
        async with asyncio.timeout(seconds):
            await self._free.acquire()
            return await asyncio.shield(self._begun(call))

    def _begun(self, call: Callable[[], T]) -> asyncio.Future[T]:
        try:
            future = asyncio.get_running_loop().run_in_executor(self._executor, call)
        except RuntimeError as error:
            self._free.release()
            raise ClosedError from error
        self._running.add(future)
        future.add_done_callback(self._done)
        return future

    def _done(self, future: asyncio.Future[Any]) -> None:
        self._running.discard(future)
        self._free.release()
        if not future.cancelled():
            # Looked at, as nobody else may: what was left behind has told its failure already.
            future.exception()

    async def close(self, seconds: float = 5.0) -> None:
        """Let what was begun end, but do not wait for ever; may be called again."""
        self._executor.shutdown(wait=False)
        if self._running:
            await asyncio.wait(self._running, timeout=seconds)
