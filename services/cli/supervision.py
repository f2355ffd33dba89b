"""Long-running services side by side, ended together: by a signal, or by the first of them that fails."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any


def stop_on_signals() -> asyncio.Event:
    """An event that SIGINT and SIGTERM set, instead of what they did before."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


class Crew:
    """Tasks that end together. Each is started with what makes it end in an orderly way."""

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[None], Callable[[], object]] = {}

    def start(self, work: Coroutine[Any, Any, None], stop: Callable[[], object] | None = None) -> None:
        """Begin; without `stop` it is cancelled at the end."""
        task = asyncio.create_task(work)
        self._tasks[task] = stop or task.cancel

    async def run(self, stop: asyncio.Event) -> None:
        """Wait until `stop` is set or one of them ends, then end them all; what is durable outlives them.

        Raises what the first of them raised that failed.
        """
        stopping = asyncio.create_task(stop.wait())
        ended: list[asyncio.Task[None]] = []
        try:
            await asyncio.wait([stopping, *self._tasks], return_when=asyncio.FIRST_COMPLETED)
            ended = [task for task in self._tasks if task.done()]
        finally:
            stopping.cancel()
            for task, end in self._tasks.items():
                if not task.done():
                    end()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        for task in [*ended, *self._tasks]:
            if not task.cancelled():
                task.result()
