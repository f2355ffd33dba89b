"""Two hours of anything, and then the warehouse is as Productive: row by row, value by value.

Everything but the processes is real: the sandbox over HTTP, the stores in files, the crawl with its
comparison, the reading of deliveries, the writer. Whoever is killed is cut off in the middle and never told.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import random
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.backfill.crawl import crawl
from services.backfill.plan import Mode, Scope
from services.backfill.progress import Silent
from services.cli.deletions import comparing, held_deletions, look_into_bin
from services.cli.pipeline import open_writer
from services.cli.world import World, open_world
from services.ingest.delivery import Delivery
from services.ingest.reading import Reader
from services.ingest.reading.observing import SilentObserver
from services.sandbox import Change, Sandbox, SandboxSettings, WebhookSettings
from services.sandbox.load import Load, LoadSettings
from services.sandbox.schema import load_schema
from services.sandbox.webhooks.events import event_of
from services.sandbox.webhooks.payload import Payloads
from services.writer.environment import WriterTotals
from services.writer.service import Writer
from shared.bus import open_bus
from shared.config.settings import settle
from shared.productive import Connection, Limiter, LimitPolicy, ProductiveClient
from shared.secrets import Secret
from tests.e2e.agency_live import FED, plain
from tests.e2e.expected import assert_same
from tests.e2e.harness import rows_of
from tests.e2e.shift import ShiftedClock

TABLES = [*FED, "services", "sections", "comments", "pages"]
PATIENCE = 60.0

OPERATIONS = (
    *("work", "work", "work", "deliver", "deliver", "lose", "restore", "wait", "step"),
    *("read", "read", "killed read", "crawl", "crawl", "full crawl", "killed crawl", "write", "killed write"),
)


@dataclasses.dataclass
class Office:
    """One installation beside the organization it follows, and what is on its way between them."""

    sandbox: Sandbox
    world: World
    client: ProductiveClient
    ours: ShiftedClock
    theirs: ShiftedClock
    load: Load
    chance: random.Random
    on_the_way: list[Delivery] = dataclasses.field(default_factory=list)

    async def do(self, operation: str) -> None:
        await getattr(self, "_" + operation.replace(" ", "_"))()

    async def _work(self) -> None:
        self.load.step(self.chance.randrange(1, 12))

    async def _restore(self) -> None:
        organization = self.sandbox.organization
        bin_ = [row.attributes for row in organization.rows("deleted_items")]
        tables = {"task": "tasks", "time_entry": "time_entries", "invoice": "invoices", "deal": "deals"}
        gone = [(tables[a["item_type"]], a["item_id"]) for a in bin_ if a["item_type"] in tables]
        self.chance.shuffle(gone)
        for table, id_ in gone[:2]:
            with contextlib.suppress(KeyError):  # from before the sandbox began
                organization.restore(table, id_)

    async def _wait(self) -> None:
        self.theirs.advance(self.chance.choice((1, 70, 600, 1_800)))

    async def _step(self) -> None:
        self.ours.step(self.chance.choice((-3_600, -90, -2, 2, 90, 3_600)))

    async def _deliver(self) -> None:
        """Some of what is on the way arrives, in any order, and some of that twice."""
        self.chance.shuffle(self.on_the_way)
        some = [self.on_the_way.pop() for _ in range(min(len(self.on_the_way), self.chance.randrange(20)))]
        twice = [one for one in some if self.chance.random() < 0.2]
        received_us = self.client.server_clock.now_us()
        messages = [dataclasses.replace(one, received_us=received_us).message() for one in (*some, *twice)]
        if messages:
            await self.world.intake.publish(messages)

    async def _lose(self) -> None:
        """The webhooks were off."""
        self.on_the_way.clear()

    async def _read(self) -> None:
        async with asyncio.timeout(PATIENCE):
            await self._reader().drain()

    async def _killed_read(self) -> None:
        await self._cut_off(self._reader().drain())

    async def _crawl(self, scope: Scope | None = None) -> None:
        async with open_writer(self.world, WriterTotals()) as (_, warehouse):
            env = comparing(self.world.backfill(self.client, Silent()), warehouse, self.world.settings)
            outcome = await crawl(env, scope=scope)
            assert outcome.complete
            await look_into_bin(self.world, env, outcome)

    async def _full_crawl(self) -> None:
        await self._crawl(Scope(Mode.FULL))

    async def _killed_crawl(self) -> None:
        await self._cut_off(self._crawl(self.chance.choice((None, Scope(Mode.FULL)))))

    async def _write(self) -> None:
        async with open_writer(self.world, WriterTotals()) as (writer, _):
            await _drained(writer)

    async def _killed_write(self) -> None:
        await self._cut_off(self._write())

    async def settle(self) -> None:
        """What schedules do in the end: a full crawl with its comparison, and everything written."""
        self.theirs.advance(3_600)
        for _ in range(2):
            await self._read()
            await self._write()
            await self._full_crawl()
            await self._write()
            held = await held_deletions(self.world).all()
            for table in held:
                await held_deletions(self.world).confirm(table.table)
            self.theirs.advance(600)
            if not held:
                break

    def assert_equal(self) -> None:
        database = self.world.settings.data_dir / "productive.duckdb"
        for table in TABLES:
            resources = [plain(one) for one in self.sandbox.organization.resources(table)]
            assert_same(table, resources, rows_of(database, table))

    def _reader(self) -> Reader:
        return Reader(self.world.reading(self.client, SilentObserver()))

    async def _cut_off(self, work: Coroutine[Any, Any, None]) -> None:
        """Run it for a moment, then let it go in the middle of whatever it does."""
        task = asyncio.ensure_future(work)
        await asyncio.wait([task], timeout=self.chance.choice((0.0, 0.005, 0.02, 0.08)))
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        # Nobody gives back what it had; but the leases of a process that is gone are taken over at once,
        # and this one is not gone.
        self.theirs.advance(61)
        for name in await self.world.objects.list():
            if name.endswith(".lease"):
                await self.world.objects.delete(name)


@contextlib.asynccontextmanager
async def office(folder: Path, seed: int) -> AsyncIterator[Office]:
    theirs = ShiftedClock()
    ours = ShiftedClock(theirs)
    chance = random.Random(seed)
    webhooks = WebhookSettings(complete_share=0.4, delete_with_object=seed % 2 == 0)
    async with contextlib.AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(
            Sandbox(SandboxSettings(people=2, seed=seed % 5, webhooks=webhooks), clock=theirs)
        )
        config = settle(
            {
                "productive.organization_id": sandbox.organization_id,
                "storage.data_dir": str(folder),
                "tables.only": TABLES,
            }
        )
        world = await stack.enter_async_context(open_world(config))
        bus = await open_bus(config.bus_url, clock=ours)
        stack.push_async_callback(bus.close)
        intake = await open_bus(config.intake_url, clock=ours)
        stack.push_async_callback(intake.close)
        connection = Connection(sandbox.url, sandbox.organization_id, Secret(sandbox.token))
        client = await stack.enter_async_context(
            ProductiveClient(connection, clock=ours, limiter=Limiter(LimitPolicy(windows=()), ours))
        )
        load = Load(sandbox.organization, LoadSettings(seed=seed), clock=theirs)
        opened = Office(
            sandbox,
            dataclasses.replace(world, clock=ours, bus=bus, intake=intake),
            client,
            ours,
            theirs,
            load,
            chance,
        )
        payloads = Payloads(sandbox.organization, load_schema(), webhooks, seed=seed)

        def hear(change: Change) -> None:
            event = event_of(change)
            if event is not None:
                opened.on_the_way.append(Delivery(event.id, theirs.now_us(), payloads.body(event, change)))

        sandbox.organization.subscribe(hear)
        yield opened


async def _drained(writer: Writer) -> None:
    writer.drain()
    async with asyncio.timeout(PATIENCE):
        await writer.run()


async def live_through(folder: Path, seed: int, operations: list[str]) -> None:
    async with office(folder, seed) as opened:
        await opened.do("crawl")
        for operation in operations:
            await opened.do(operation)
        await opened.settle()
        opened.assert_equal()


@settings(
    max_examples=int(os.environ.get("HISTORIES", "3")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    seed=st.integers(0, 10_000),
    operations=st.lists(st.sampled_from(OPERATIONS), min_size=10, max_size=40),
)
def test_after_any_history_the_warehouse_equals_the_source(
    tmp_path_factory: pytest.TempPathFactory, seed: int, operations: list[str]
) -> None:
    asyncio.run(live_through(tmp_path_factory.mktemp("history"), seed, operations))
