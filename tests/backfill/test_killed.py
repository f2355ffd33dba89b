"""A crawl that dies at any write of its state goes on, misses no change and forgets no id it saw."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.backfill.crawl import CrawlOutcome, crawl
from services.backfill.environment import ComparisonOutcome
from services.backfill.plan import Mode, Schedule, Scope
from services.backfill.progress import Silent
from services.backfill.seen import SeenIds
from services.cli.pipeline import write_while
from services.sandbox import SandboxSettings
from services.writer.environment import WriterTotals
from shared.catalog.selection import SelectedTable
from shared.objects import Objects
from shared.objects.port import Generation, StoredObject
from tests.backfill.agency import Agency, agency

TABLES = ["time_entries", "services", "projects", "comments"]
EXACT = Schedule(overlap_seconds=0)


class KilledError(Exception):
    """The process is gone."""


class Mortal:
    """Objects whose user dies at the n-th write of a crawl's state, before it or just after.

    With a `pace` they are also no more often written than a bucket's may be.
    """

    def __init__(self, objects: Objects, *, at: int, after: bool, pace: float) -> None:
        self._objects = objects
        self._left = at
        self._after = after
        self.least_seconds_between_writes = pace

    async def read(self, name: str) -> StoredObject | None:
        return await self._objects.read(name)

    async def write(self, name: str, data: bytes) -> Generation:
        self._live(name, after=False)
        generation = await self._objects.write(name, data)
        self._live(name, after=True)
        return generation

    async def compare_and_set(self, name: str, data: bytes, expected: Generation | None) -> Generation | None:
        self._live(name, after=False)
        generation = await self._objects.compare_and_set(name, data, expected)
        self._live(name, after=True)
        return generation

    async def delete(self, name: str) -> bool:
        return await self._objects.delete(name)

    async def list(self, prefix: str = "") -> Any:
        return await self._objects.list(prefix)

    async def close(self) -> None:
        await self._objects.close()

    def _live(self, name: str, *, after: bool) -> None:
        if after is self._after and not name.endswith(".lease"):
            self._left -= 1
            if self._left <= 0:
                raise KilledError


class EveryIdIsThere:
    """A comparison that wants all that the sandbox has."""

    def __init__(self, opened: Agency) -> None:
        self._opened = opened
        self.compared = 0

    async def compare(
        self, table: SelectedTable, seen: SeenIds, run_id: str, started_us: int
    ) -> ComparisonOutcome:
        ids = await seen.all()
        assert all(id_ in ids for id_ in self._opened.sandbox.organization.ids(table.name))
        self.compared += 1
        return ComparisonOutcome()


async def crawl_in(opened: Agency, objects: Objects, scope: Scope | None = None) -> CrawlOutcome:
    world = dataclasses.replace(opened.world, objects=objects)
    env = dataclasses.replace(
        world.backfill(opened.client, Silent()), schedule=EXACT, comparison=EveryIdIsThere(opened)
    )
    return await crawl(env, scope=scope)


@pytest.mark.parametrize("pace", [0.0, 0.01], ids=["at once", "paced"])
@pytest.mark.parametrize("after", [False, True])
async def test_wherever_a_crawl_is_killed_the_next_one_makes_up_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: bool, pace: float
) -> None:
    settings = SandboxSettings(people=3, today=datetime.now(UTC).date() - timedelta(days=2))
    async with agency(tmp_path, monkeypatch, settings, tables__only=TABLES) as opened:
        organization, objects = opened.sandbox.organization, opened.world.objects
        deaths = 0
        for at in range(1, 40):
            for name in TABLES:
                organization.put(name, organization.ids(name)[at % organization.count(name)])
            try:
                whole = Scope(Mode.FULL) if at % 2 else None
                assert (
                    await crawl_in(opened, Mortal(objects, at=at, after=after, pace=pace), whole)
                ).complete
            except* KilledError:
                deaths += 1
                organization.put("services", organization.ids("services")[0])
                assert (await crawl_in(opened, objects)).complete
            else:
                break
        assert deaths > len(TABLES)
        outcome = await write_while(opened.world, WriterTotals(), lambda: crawl_in(opened, objects))
        assert {table.table for table in outcome.tables if table.plan.full} == {"comments"}
        assert await opened.differences() == []
