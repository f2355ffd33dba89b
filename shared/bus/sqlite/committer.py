"""The one thread that owns the bus's connection, and group commit.

Calls that arrive while a transaction is being made durable are run together in the next one, so that
the cost of reaching the disk is shared by all who wait for it.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, TypeVar

from shared import files
from shared.bus.sqlite.failures import storage_error
from shared.bus.sqlite.schema import open_file
from shared.errors import StorageError

T = TypeVar("T")
Step = Callable[[sqlite3.Connection], T]

_GROUP_CALLS = 512
_GROUP_BYTES = 32 * 1024 * 1024
_IDLE_SECONDS = 1.0
_SPARE_PAGES = 4_096
_VACUUM_PAGES = 512


class Durability(IntEnum):
    """What must have happened when a call returns."""

    READ = 0
    """Nothing: the call only looks."""

    RELAXED = 1
    """It survives the death of this process, not that of the machine: right for what redelivery mends."""

    DURABLE = 2
    """It survives a loss of power."""


@dataclass(slots=True)
class _Call:
    step: Step[Any]
    durability: Durability
    weight: int
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None

    def run(self, connection: sqlite3.Connection) -> None:
        self.error = None
        self.result = self.step(connection)

    def deliver(self) -> None:
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class Committer:
    """Runs steps on the file at `path` one transaction after the other, in a thread of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._queue: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._opened: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._ended: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._stopped = False
        # A daemon, so that a bus that was never closed does not keep the process; the file survives that.
        self._thread = threading.Thread(target=self._run, name=f"bus {path.name}", daemon=True)

    @property
    def is_stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stopped

    async def open(self) -> None:
        """Start the thread and wait for the file to be open; `StorageError` when it cannot be."""
        self._thread.start()
        try:
            await asyncio.shield(asyncio.wrap_future(self._opened))
        except BaseException:
            self.stop()
            raise

    def submit(self, step: Step[T], durability: Durability, *, weight: int = 0) -> asyncio.Future[T]:
        """Have a step run; `weight` is how many bytes it writes, roughly. Cancelling does not undo it.

        The step may run twice (the first time rolled back). `StorageError` after `stop`.
        """
        if self._stopped:
            raise StorageError(f"the bus {self._path} is closed")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.put(_Call(step, durability, weight, future))
        return future

    def stop(self) -> None:
        """Take no more calls; those that were submitted are still run."""
        if not self._stopped:
            self._stopped = True
            self._queue.put(None)

    async def ended(self) -> None:
        """Wait, after `stop`, for the thread to have let go of the file."""
        await asyncio.shield(asyncio.wrap_future(self._ended))
        self._thread.join()

    def _run(self) -> None:
        try:
            connection = open_file(self._path)
        except StorageError as error:
            self._opened.set_exception(error)
        except sqlite3.Error as error:
            self._opened.set_exception(storage_error(self._path, error))
        except OSError as error:
            self._opened.set_exception(files.storage_error("the bus", self._path, error))
        else:
            self._opened.set_result(None)
            with contextlib.closing(connection):
                self._serve(connection)
        self._ended.set_result(None)

    def _serve(self, connection: sqlite3.Connection) -> None:
        open_ended = True
        while open_ended:
            group, open_ended = self._next_group(connection)
            if group:
                _run_group(connection, group)
                for call in group:
                    if isinstance(call.error, sqlite3.Error):
                        call.error = storage_error(self._path, call.error)
                _deliver(group)

    def _next_group(self, connection: sqlite3.Connection) -> tuple[list[_Call], bool]:
        """The calls that wait, as far as they fit into one transaction, and whether more may come."""
        try:
            first = self._queue.get(timeout=_IDLE_SECONDS)
        except queue.Empty:
            while self._queue.empty() and tidy(connection):
                pass
            first = self._queue.get()
        group: list[_Call] = []
        weight = 0
        call: _Call | None = first
        with contextlib.suppress(queue.Empty):
            while call is not None:
                group.append(call)
                weight += call.weight
                if len(group) >= _GROUP_CALLS or weight >= _GROUP_BYTES:
                    break
                call = self._queue.get_nowait()
        return group, call is not None


def _run_group(connection: sqlite3.Connection, group: list[_Call]) -> None:
    """Run the calls as one; if that fails run each by itself, so that one fails only by its own fault.

    On a full disk, for instance, publishing fails and the acks that make room succeed.
    """
    try:
        _transact(connection, group)
    except Exception as failure:
        if len(group) == 1:
            group[0].error = failure
            return
        for call in group:
            try:
                _transact(connection, [call])
            except Exception as error:
                call.error = error


def _transact(connection: sqlite3.Connection, calls: list[_Call]) -> None:
    durability = max(call.durability for call in calls)
    if durability is Durability.READ:
        for call in calls:
            call.run(connection)
        return
    # FULL syncs the log at each commit, NORMAL only before a checkpoint (SQLite's documentation of WAL).
    # A later FULL commit takes the earlier ones along: they are in the same log.
    synchronous = "FULL" if durability is Durability.DURABLE else "NORMAL"
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    connection.execute("BEGIN IMMEDIATE")
    try:
        for call in calls:
            call.run(connection)
        connection.execute("COMMIT")
    except BaseException:
        # SQLite may have rolled back by itself, for instance when the disk is full.
        if connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
        raise


def _deliver(group: Iterable[_Call]) -> None:
    """Hand the outcomes to the event loops that wait, with one wake-up for each."""
    loops: dict[asyncio.AbstractEventLoop, list[_Call]] = {}
    for call in group:
        loops.setdefault(call.future.get_loop(), []).append(call)
    for loop, calls in loops.items():
        # A loop that was closed meanwhile has nobody left who waits.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_deliver_here, calls)


def _deliver_here(calls: list[_Call]) -> None:
    for call in calls:
        call.deliver()


def tidy(connection: sqlite3.Connection) -> bool:
    """Give a little of the free space back to the disk; whether there is more to give."""
    try:
        free = _free_pages(connection)
        if free > _SPARE_PAGES:
            # As a script, which runs to its end: this statement frees a page with each step, and a cursor
            # takes only the first because it gives no columns (measured with CPython 3.11).
            connection.executescript(f"PRAGMA incremental_vacuum({min(free - _SPARE_PAGES, _VACUUM_PAGES)})")
            return _free_pages(connection) < free
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    except sqlite3.Error:
        # It was a good deed; whatever is wrong will be told to the next one who needs the file.
        pass
    return False


def _free_pages(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA freelist_count").fetchone()[0])
