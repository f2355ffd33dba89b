"""Whatever happens, in whatever order it is told: two full crawls later all is as Productive has it."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from services.backfill.brake import Brake
from services.backfill.comparison import ComparisonRules
from services.backfill.recycle_bin import RecycleBin
from shared.catalog import load_catalog
from tests.backfill.comparing import Desk, desk_in

TABLE = "tasks"
STEPS = 60


class History:
    """Things that happen to a table, and ways in which they are heard of."""

    def __init__(self, desk: Desk, seed: int) -> None:
        self._desk = desk
        self._organization = desk.sandbox.organization
        self._chance = random.Random(seed)
        self._gone: list[str] = []
        self._bin = RecycleBin(
            client=desk.client,
            bus=desk.bus,
            codec=desk.codec,
            objects=desk.objects,
            organization_id=desk.organization_id,
            catalog=load_catalog(),
            tables=desk.tables,
        )

    async def step(self) -> None:
        """One of them."""
        ways: list[tuple[int, Callable[[], Awaitable[None]]]] = [
            (3, self._make),
            (6, self._change),
            (6, self._remove),
            (5, self._restore),
            (3, self._tell_change),
            (2, self._tell_deletion),
            (3, self._look),
            (2, self._crawl),
        ]
        weights, steps = zip(*ways, strict=True)
        [step] = self._chance.choices(steps, weights)
        await step()

    def _one(self) -> str:
        return self._chance.choice(self._organization.ids(TABLE))

    async def _make(self) -> None:
        self._organization.put(TABLE, attributes={"title": "New"})

    async def _change(self) -> None:
        self._organization.put(TABLE, self._one(), attributes={"title": f"Title {self._chance.random()}"})

    async def _remove(self) -> None:
        self._gone.append(self._one())
        self._organization.remove(TABLE, self._gone[-1])

    async def _restore(self) -> None:
        if self._gone:
            self._organization.restore(TABLE, self._gone.pop(self._chance.randrange(len(self._gone))))

    async def _tell_change(self) -> None:
        await self._desk.reread(TABLE, self._one())

    async def _tell_deletion(self) -> None:
        if self._gone:
            await self._desk.tell_deleted(TABLE, self._chance.choice(self._gone))

    async def _look(self) -> None:
        assert not (await self._bin.look("look")).problem
        await self._desk.write()

    async def _crawl(self) -> None:
        unlisted = self._chance.sample(self._organization.ids(TABLE), 3)
        walked = await self._desk.walk(TABLE, unlisted=unlisted, during=self._meanwhile)
        await self._desk.compare(walked)

    def _meanwhile(self) -> None:
        """Something that happens between the reading of the list and the comparison."""
        if self._chance.random() < 0.5:
            self._gone.append(self._one())
            self._organization.remove(TABLE, self._gone[-1])
        elif self._gone:
            self._organization.restore(TABLE, self._gone.pop())


@pytest.mark.parametrize("seed", range(4))
async def test_two_crawls_later_all_is_equal(tmp_path: Path, seed: int) -> None:
    async with desk_in(tmp_path, (TABLE,)) as desk:
        desk.rules = ComparisonRules(brake=Brake(share=1.0))
        await desk.crawl(TABLE)
        history = History(desk, seed)
        for _ in range(STEPS):
            await history.step()
        for _ in range(2):
            assert (await desk.crawl(TABLE)).held_back == 0
        resources = desk.sandbox.organization.resources(TABLE)
        assert await desk.values(TABLE, "title") == {
            one["id"]: one["attributes"]["title"] for one in resources
        }
