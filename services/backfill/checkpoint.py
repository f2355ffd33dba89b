"""Where a crawl is, kept so that a killed one goes on: one object per run, one per table.

A table's checkpoint is written after its page is durable on the bus, by compare-and-set: two crawls of
one table cannot both believe that they lead.

Where objects may not be written as often as pages come (Cloud Storage takes one write a second), only what
is the latest when its time has come is written, and the last one of a table always is. A crawl that is
killed then reads again what came within that second, which is harmless: records are versioned.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Final

import msgspec

from services.backfill.plan import Coverage, Plan, Scope
from services.backfill.seen import SeenIds
from services.backfill.sightings import Sightings
from services.backfill.state_object import StateObject
from shared.clock import Clock, SystemClock
from shared.errors import IngestError
from shared.objects.port import Objects
from shared.productive import Learned, Position

log = logging.getLogger(__name__)

_RUN: Final = "run.json"
_FLUSH_SECONDS: Final = 4.0
"""A process that is told to end has nine seconds for everything."""


class Status(StrEnum):
    """How far a table is in its run."""

    RUNNING = "running"
    DONE = "done"
    UNAVAILABLE = "unavailable"
    FAILED = "failed"


class TableCheckpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One table's progress in one run, and what outlives the run.

    `fingerprint` stands for what is asked for (path, columns): with another one this position cannot be
    resumed. `plan` says what is read of it, in `window` (from 0) of the plan's windows.
    `position` is what to ask for next, None at the start and at the end; `first_us` is when the first page
    was asked for, on Productive's clock. `expected` is how many records the whole table had the last time.
    `unparsed` and `unknown` count by column and by `field: type`. `deleted` and `held_back` are what came of
    comparing a whole table with the warehouse.

    `ids_kept` says that the ids of all pages were kept for that: without some, they would seem to be gone.

    `learned`, which began at `learned_us`, `coverage` and, until the table is read as a whole again,
    `sightings` outlive the run.
    """

    table: str
    run_id: str
    fingerprint: str
    plan: Plan
    status: Status
    learned: Learned
    learned_us: int = 0
    coverage: Coverage = Coverage()
    sightings: Sightings = Sightings()
    window: int = 0
    first_us: int | None = None
    position: Position | None = None
    pages: int = 0
    records: int = 0
    total: int | None = None
    expected: int | None = None
    rejected: int = 0
    settled: bool = True
    reason: str = ""
    unparsed: dict[str, int] = {}
    unknown: dict[str, int] = {}
    ids_kept: bool = False
    deleted: int = 0
    held_back: int = 0
    held_back_reason: str = ""
    started_us: int = 0
    finished_us: int | None = None


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One crawl of an organization, over all its attempts; finished when every table has an end.

    It is also finished when an attempt got no further with the tables that failed before. `scope` is how
    much it reads.
    """

    id: str
    organization_id: str
    started_us: int
    tables: list[str]
    scope: Scope = Scope()
    finished_us: int | None = None


async def _nothing() -> None:
    """Nothing has to be safe before."""


class CheckpointStore:
    """Reads and writes the state of one organization's crawls."""

    def __init__(self, objects: Objects, organization_id: str, *, clock: Clock | None = None) -> None:
        self._objects = objects
        self._root = f"organizations/{organization_id}"
        self._clock = clock or SystemClock()
        self._states: dict[str, StateObject] = {}
        self._seen: dict[str, SeenIds] = {}
        self._new_run = ""

    @property
    def lease_name(self) -> str:
        """The object that holds the lease of this organization's crawl."""
        return f"{self._root}/crawl.lease"

    async def run(self) -> Run | None:
        """The latest run, finished or not."""
        return await self._state(_RUN).read(Run)

    async def save_run(self, run: Run) -> None:
        """Make `run` the latest run."""
        await self._state(_RUN).write(run)

    async def table(self, name: str) -> TableCheckpoint | None:
        """The table's checkpoint of its latest run."""
        return await self._table(name).read(TableCheckpoint)

    async def save_table(self, checkpoint: TableCheckpoint) -> None:
        """Replace the table's checkpoint that this store read or wrote last.

        One that is running may be kept in mind for a while, as the module tells; others are written when
        this returns. `BusyError` when somebody else has written in between.
        """
        running = checkpoint.status is Status.RUNNING
        await self._table(checkpoint.table).write(checkpoint, may_wait=running)

    async def flush(self) -> None:
        """Write what is only kept in mind, for a crawl that ends before its tables do; takes no long time.

        What cannot be written is told, and read again by the next crawl.
        """
        try:
            async with asyncio.timeout(_FLUSH_SECONDS):
                outcomes = await asyncio.gather(
                    *(state.flush() for state in self._states.values()), return_exceptions=True
                )
        except TimeoutError:
            log.warning("the last pages of some tables are read again by the next crawl: no answer")
            return
        for outcome in outcomes:
            if isinstance(outcome, IngestError):
                log.warning("the last pages of a table are read again by the next crawl: %s", outcome)
            elif isinstance(outcome, BaseException):
                raise outcome

    async def forget_table(self, name: str) -> None:
        """Have the whole table read by the next run, as if it had never been read.

        For whoever takes rows out of the warehouse that are to come again; not while a crawl runs.
        """
        self._table(name).forget()
        await self._objects.delete(f"{self._root}/{_table_name(name)}")

    def seen(self, run_id: str, table: str) -> SeenIds:
        """The ids that a run saw of a table. What was added is safe when the table's checkpoint is."""
        new = run_id == self._new_run and table not in self._seen
        self._seen[table] = SeenIds(
            self._objects,
            f"{self._root}/seen/{table}/{run_id}",
            paced=self._objects.least_seconds_between_writes > 0,
            empty=new,
        )
        return self._seen[table]

    async def forget_seen(self, but_of: str) -> None:
        """Remove the ids that runs saw which will not be resumed: all but those of a run that begins now."""
        for name in await self._objects.list(f"{self._root}/seen/"):
            if not name.rpartition("/")[2].startswith(f"{but_of}."):
                await self._objects.delete(name)
        self._new_run = but_of
        self._seen.clear()

    def _table(self, name: str) -> StateObject:
        async def keep_ids() -> None:
            if name in self._seen:
                await self._seen[name].flush()

        return self._state(_table_name(name), keep_ids)

    def _state(self, name: str, before: Callable[[], Awaitable[None]] = _nothing) -> StateObject:
        if name not in self._states:
            self._states[name] = StateObject(self._objects, f"{self._root}/{name}", self._clock, before)
        return self._states[name]


def _table_name(name: str) -> str:
    return f"tables/{name}.json"
