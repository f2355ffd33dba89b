"""Where a crawl is, kept so that a killed one goes on: one object per run, one per table.

A table's checkpoint is written after its page is durable on the bus, by compare-and-set: two crawls of
one table cannot both believe that they lead.
"""

from __future__ import annotations

import logging
from enum import StrEnum
from typing import TypeVar

import msgspec

from services.backfill.plan import Coverage, Plan, Scope
from services.backfill.seen import SeenIds
from services.backfill.sightings import Sightings
from shared.errors import BusyError
from shared.objects.port import Generation, Objects
from shared.productive import Learned, Position

log = logging.getLogger(__name__)
State = TypeVar("State", bound=msgspec.Struct)


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


class CheckpointStore:
    """Reads and writes the state of one organization's crawls."""

    def __init__(self, objects: Objects, organization_id: str) -> None:
        self._objects = objects
        self._root = f"organizations/{organization_id}"
        self._generations: dict[str, Generation | None] = {}

    @property
    def lease_name(self) -> str:
        """The object that holds the lease of this organization's crawl."""
        return f"{self._root}/crawl.lease"

    async def run(self) -> Run | None:
        """The latest run, finished or not."""
        return await self._read(f"{self._root}/run.json", Run)

    async def save_run(self, run: Run) -> None:
        """Make `run` the latest run."""
        await self._write(f"{self._root}/run.json", run)

    async def table(self, name: str) -> TableCheckpoint | None:
        """The table's checkpoint of its latest run."""
        return await self._read(self._table_name(name), TableCheckpoint)

    async def save_table(self, checkpoint: TableCheckpoint) -> None:
        """Replace the table's checkpoint that this store read or wrote last.

        `BusyError` when somebody else has written in between.
        """
        await self._write(self._table_name(checkpoint.table), checkpoint)

    async def forget_table(self, name: str) -> None:
        """Have the whole table read by the next run, as if it had never been read.

        For whoever takes rows out of the warehouse that are to come again; not while a crawl runs.
        """
        await self._objects.delete(self._table_name(name))
        self._generations.pop(self._table_name(name), None)

    def seen(self, run_id: str, table: str) -> SeenIds:
        """The ids that a run saw of a table."""
        return SeenIds(self._objects, f"{self._root}/seen/{table}/{run_id}")

    async def forget_seen(self, but_of: str) -> None:
        """Remove the ids that runs saw which will not be resumed: all but the one named."""
        for name in await self._objects.list(f"{self._root}/seen/"):
            if not name.rpartition("/")[2].startswith(f"{but_of}."):
                await self._objects.delete(name)

    def _table_name(self, name: str) -> str:
        return f"{self._root}/tables/{name}.json"

    async def _read(self, name: str, type_: type[State]) -> State | None:
        stored = await self._objects.read(name)
        self._generations[name] = stored.generation if stored else None
        if stored is None:
            return None
        try:
            return msgspec.json.decode(stored.data, type=type_)
        except msgspec.MsgspecError as error:
            log.warning("the checkpoint %s cannot be read (%s); starting it anew", name, error)
            return None

    async def _write(self, name: str, state: msgspec.Struct) -> None:
        if name not in self._generations:
            stored = await self._objects.read(name)
            self._generations[name] = stored.generation if stored else None
        data = msgspec.json.encode(state)
        generation = await self._objects.compare_and_set(name, data, self._generations[name])
        if generation is None:
            raise BusyError("another run has taken over this crawl; this one has stopped")
        self._generations[name] = generation
