"""After any history of changes, deliveries and crashes, what was published is what the organization has."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.delivery import Delivery
from services.ingest.reading import Reader
from services.sandbox.organization import Change
from shared.bus.sqlite.adapter import SqliteBus
from tests.ingest.reading.bodies import body, event_of
from tests.ingest.reading.office import PATIENCE, Line, Office, office

TABLES = ("expenses", "time_entries", "payments")
"""With a list by id, without one, and without a time of change; no other of these refers to them."""

Shape = Literal["whole", "partial", "bare"]


@dataclass(frozen=True)
class Put:
    """A new record, or a change of the one that was made as the `which`th."""

    table: str
    which: int | None
    shape: Shape


@dataclass(frozen=True)
class Remove:
    table: str
    which: int
    shape: Shape


@dataclass(frozen=True)
class Deliver:
    """Hand over what has been told since, some of it twice, in any order; the rest comes later."""

    order: int
    share: float
    twice: bool


@dataclass(frozen=True)
class Crash:
    """The process is killed at some instant, and another one begins."""


@dataclass(frozen=True)
class Turn:
    """Let everybody do some steps."""

    steps: int


Step = Put | Remove | Deliver | Crash | Turn

_tables = st.sampled_from(TABLES)
_shapes: st.SearchStrategy[Shape] = st.sampled_from(("whole", "partial", "bare"))
_which = st.integers(0, 5)
STEPS: st.SearchStrategy[Step] = st.one_of(
    st.builds(Put, _tables, st.none(), _shapes),
    st.builds(Put, _tables, _which, _shapes),
    st.builds(Remove, _tables, _which, _shapes),
    st.builds(Deliver, st.integers(0, 1_000), st.floats(0.2, 1.0), st.booleans()),
    st.builds(Turn, st.integers(1, 60)),
    st.just(Crash()),
)


@dataclass
class Process:
    """One life of a reader, that ends as a kill ends it: from one instant on nothing it says arrives."""

    office: Office
    task: asyncio.Task[None] | None = None
    lines: list[Line] = field(default_factory=list)
    reader: Reader | None = None

    def begin(self, intake: Line | None = None) -> None:
        self.lines = [intake or Line(self.office.intake), Line(self.office.bus)]
        self.reader = self.office.reader(intake=self.lines[0], bus=self.lines[1])
        self.task = asyncio.create_task(self.reader.run())

    async def kill(self) -> None:
        assert self.task is not None
        for line in self.lines:
            line.is_cut = True
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task
        assert isinstance(self.office.intake, SqliteBus)
        await self.office.intake.end_leases()


class History:
    """Plays steps, and remembers what has not been handed over yet."""

    def __init__(self, opened: Office, process: Process) -> None:
        self._office = opened
        self._process = process
        self._made: dict[str, list[str]] = {table: [] for table in TABLES}
        self.touched: dict[str, set[str]] = {table: set() for table in TABLES}
        self._untold: list[Delivery] = []
        self._changes: list[Change] = []
        opened.sandbox.organization.subscribe(self._changes.append)

    async def play(self, step: Step) -> None:
        organization = self._office.sandbox.organization
        match step:
            case Put():
                id_ = self._id(step.table, step.which)
                made = organization.put(step.table, id_, attributes={"currency": str(len(self._changes))})
                self._made[step.table] += [] if made in self._made[step.table] else [made]
                self._tell(step.shape)
            case Remove():
                id_ = self._id(step.table, step.which)
                if id_ is not None:
                    organization.remove(step.table, id_)
                    self._made[step.table].remove(id_)
                    self._tell(step.shape)
            case Deliver():
                await self._deliver(step)
            case Crash():
                await self._process.kill()
                self._process.begin()
            case Turn():
                for _ in range(step.steps):
                    await asyncio.sleep(0)

    async def end(self) -> None:
        """Everything is handed over, and dealt with."""
        await self._deliver(Deliver(0, 1.0, twice=False))
        assert self._process.reader is not None
        await self._office.drain(self._process.reader)

    def _id(self, table: str, which: int | None) -> str | None:
        there = self._made[table]
        return there[which % len(there)] if which is not None and there else None

    def _tell(self, shape: Shape) -> None:
        change = self._changes[-1]
        self.touched[change.table].add(change.id)
        resource = change.after or change.before
        assert resource is not None
        if shape == "partial":
            resource = {**resource, "relationships": {"person": {"meta": {"included": False}}}}
        content = body(
            None,
            int(change.id),
            resource=None if shape == "bare" else resource,
            created_us=change.at_us,
        )
        received_us = max(self._office.clock.now_us(), change.at_us)
        self._untold.append(Delivery(event_of(change.table, change.kind), received_us, content))

    async def _deliver(self, step: Deliver) -> None:
        count = len(self._untold)
        ordered = sorted(range(count), key=lambda index: (index * 7_919 + step.order) % 101)
        chosen = ordered[: round(count * step.share)] if step.share < 1 else ordered
        told = [self._untold[index] for index in chosen]
        self._untold = [one for index, one in enumerate(self._untold) if index not in chosen]
        if told:
            messages = [one.message() for one in told]
            await self._office.intake.publish(messages * (2 if step.twice else 1))


@asynccontextmanager
async def stage(folder: Path) -> AsyncIterator[tuple[Office, Process]]:
    async with office(folder) as opened:
        process = Process(opened)
        process.begin()
        try:
            yield opened, process
        finally:
            await process.kill()


@settings(max_examples=25, deadline=None)
@given(steps=st.lists(STEPS, min_size=5, max_size=60))
def test_the_newest_of_what_was_published_is_the_truth(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Step]
) -> None:
    async def play() -> None:
        folder = tmp_path_factory.mktemp("history")
        async with asyncio.timeout(2 * PATIENCE), stage(folder) as (opened, process):
            history = History(opened, process)
            for step in steps:
                await history.play(step)
            await history.end()
            for table in TABLES:
                assert (await opened.rows(table)).keys() == history.touched[table]
                assert await opened.differences(table) == []
            assert await opened.dead() == []

    asyncio.run(play())


class Mute(Line):
    """Acks do not arrive: the process is killed just before them."""

    async def ack(self, lease_ids: Sequence[str]) -> None:
        self.is_cut = True
        await super().ack(lease_ids)


@pytest.mark.parametrize("shape", ["whole", "bare"])
async def test_a_crash_between_publishing_and_acking_only_publishes_twice(tmp_path: Path, shape: str) -> None:
    async with stage(tmp_path) as (opened, process):
        await process.kill()
        process.begin(intake=Mute(opened.intake))
        id_ = opened.sandbox.organization.put("expenses")
        await opened.tell("expenses", "create", id_, whole=shape == "whole")
        async with asyncio.timeout(PATIENCE):
            while not await opened.published():  # noqa: ASYNC110 -- the bus tells nobody
                await asyncio.sleep(0.005)
            while not process.lines[0].is_cut:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        await process.kill()
        process.begin()
        assert process.reader is not None
        await opened.drain(process.reader)
        assert len(await opened.published()) == 2
        assert (await opened.rows("expenses")).keys() == {id_}
        assert await opened.differences("expenses") == []
