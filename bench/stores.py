"""The embedded stores in a new folder, and a crawl into them as `productive-ingest backfill` does it."""

from __future__ import annotations

import asyncio
import itertools
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from services.backfill.crawl import CrawlOutcome, crawl
from services.backfill.progress import Silent
from services.cli.pipeline import open_writer
from services.cli.world import World, open_world
from services.writer.environment import WriterTotals
from shared.clock import SystemClock
from shared.config.settings import settle
from shared.productive import Connection, Limiter, LimitPolicy, ProductiveClient, ServerTime, ServerTimePolicy
from shared.productive.server_clock import ServerClock

_numbers = itertools.count(1)
UNLIMITED = 10_000.0


@asynccontextmanager
async def new_world(folder: Path, connection: Connection, tables: Sequence[str] = ()) -> AsyncIterator[World]:
    """Empty stores for one crawl, of the default tables or of those named; gone afterwards."""
    place = folder / f"stores-{next(_numbers)}"
    settings = settle(
        {
            "productive.organization_id": connection.organization_id,
            "storage.data_dir": str(place),
            "tables.only": list(tables),
        }
    )
    try:
        async with open_world(settings) as world:
            yield world
    finally:
        shutil.rmtree(place, ignore_errors=True)


def new_client(
    connection: Connection, *, limit_scale: float = UNLIMITED, session: aiohttp.ClientSession | None = None
) -> ProductiveClient:
    """A client with Productive's limits in windows that are so many times shorter."""
    clock = SystemClock()
    limiter = Limiter(LimitPolicy().scaled(1 / limit_scale), clock)
    # The budget of server time has no scaled counterpart in the client: its estimate must not stop a measure.
    budget = ServerTime(ServerTimePolicy().scaled(limit_scale), ServerClock(clock))
    return ProductiveClient(connection, session=session, limiter=limiter, server_time=budget, clock=clock)


@dataclass(frozen=True)
class Written:
    """A crawl, and what the writer made of it."""

    outcome: CrawlOutcome
    totals: WriterTotals

    @property
    def records(self) -> int:
        """How many were crawled; `RuntimeError` when not all of them were written."""
        crawled = sum(table.records for table in self.outcome.tables)
        written = sum(self.totals.applied.values()) + self.totals.stale
        if not self.outcome.complete or crawled != written:
            raise RuntimeError(f"{crawled:,} records were crawled and {written:,} written")
        return crawled


async def crawl_and_write(world: World, client: ProductiveClient) -> Written:
    """Crawl with the writer alongside, until everything is in the warehouse."""
    totals = WriterTotals()
    async with open_writer(world, totals) as (writer, _), asyncio.TaskGroup() as group:
        group.create_task(writer.run())
        outcome = await crawl(world.backfill(client, Silent()))
        writer.drain()
    return Written(outcome, totals)
