"""The connections that are open: one per table, not too many, none that idles."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from shared.clock import Clock
from shared.warehouse.bigquery.append_settings import AppendSettings
from shared.warehouse.bigquery.connection import Connection


@dataclass(slots=True)
class _Open:
    connection: Connection
    used_at: float
    users: int = 0


class Connections:
    """Makes connections when they are needed, and closes those that are not."""

    def __init__(
        self, connect: Callable[[str], Connection], *, clock: Clock, settings: AppendSettings
    ) -> None:
        self._connect = connect
        self._clock = clock
        self._settings = settings
        # The one that was used last is at the end.
        self._open: dict[str, _Open] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._waiting: set[asyncio.Future[None]] = set()
        self._sweeping: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._open)

    @asynccontextmanager
    async def use(self, table: str) -> AsyncIterator[Connection]:
        """The connection of a table, which is not closed for others' sake while the body runs.

        Waits for one to be left when too many are in use.
        """
        while (entry := self._usable(table)) is None and not self._make_room():
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.add(waiter)
            try:
                await waiter
            finally:
                self._waiting.discard(waiter)
        if entry is None:
            entry = _Open(self._connect(table), self._clock.monotonic())
        self._open.pop(table, None)
        self._open[table] = entry
        self._schedule()
        entry.users += 1
        try:
            yield entry.connection
        finally:
            entry.users -= 1
            entry.used_at = self._clock.monotonic()
            if not entry.users:
                self._wake()

    def _usable(self, table: str) -> _Open | None:
        self.sweep()
        return self._open.get(table)

    def sweep(self) -> None:
        """Let go of connections that ended, and close those that nobody used for long."""
        now = self._clock.monotonic()
        for table, entry in list(self._open.items()):
            idle = not entry.users and now - entry.used_at >= self._settings.idle_seconds
            if idle or entry.connection.ended:
                self._discard(table)

    async def close(self) -> None:
        """Close all of them, used or not, and wait until nothing of them is left."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        for table in list(self._open):
            self._discard(table)
        if self._ending:
            await asyncio.wait(self._ending)

    def _make_room(self) -> bool:
        if len(self._open) < self._settings.connections:
            return True
        unused = next((table for table, entry in self._open.items() if not entry.users), None)
        if unused is not None:
            self._discard(unused)
        return unused is not None

    def _discard(self, table: str) -> None:
        connection = self._open.pop(table).connection
        connection.abort()
        ending = asyncio.get_running_loop().create_task(connection.wait_ended())
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)
        self._wake()

    def _wake(self) -> None:
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    def _schedule(self) -> None:
        if self._sweeping is None:
            loop = asyncio.get_running_loop()
            self._sweeping = loop.call_later(self._settings.idle_seconds / 2, self._sweep_again)

    def _sweep_again(self) -> None:
        self._sweeping = None
        self.sweep()
        if self._open:
            self._schedule()
