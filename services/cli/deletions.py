"""What a crawl needs to find out what is gone from Productive: the warehouse to compare with, and the bin."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from services.backfill.brake import Brake
from services.backfill.comparison import ComparisonRules, WarehouseComparison
from services.backfill.crawl import CrawlOutcome
from services.backfill.environment import BackfillEnvironment
from services.backfill.held import HeldStore
from services.backfill.recycle_bin import BinOutcome, RecycleBin
from services.cli.output import Output
from services.cli.reading import open_for_reading
from services.cli.world import World, organization_id
from shared.config import Settings
from shared.errors import BusyError, StorageError
from shared.warehouse import Warehouse


def comparing(
    env: BackfillEnvironment, warehouse: Warehouse | None, settings: Settings
) -> BackfillEnvironment:
    """The environment with a comparison against that warehouse; without one there is none."""
    if warehouse is None:
        return env
    rules = ComparisonRules(
        Brake(settings.deletions_share, settings.deletions_rows), settings.deletions_reads
    )
    comparison = WarehouseComparison(
        client=env.client,
        warehouse=warehouse,
        bus=env.bus,
        codec=env.codec,
        objects=env.objects,
        organization_id=env.organization_id,
        rules=rules,
    )
    return dataclasses.replace(env, comparison=comparison)


@asynccontextmanager
async def copy_to_compare(settings: Settings, output: Output) -> AsyncIterator[Warehouse | None]:
    """The warehouse as it is now, where another process writes it; None where there is none to be had.

    A comparison is about rows from before its crawl, and so a copy from before the crawl will do.
    """
    async with AsyncExitStack() as stack:
        warehouse: Warehouse | None = None
        try:
            warehouse = await stack.enter_async_context(open_for_reading(settings, output))
        except (BusyError, StorageError) as error:
            output.note(f"rows that are gone from Productive stay this time: {error.message}", style="yellow")
        yield warehouse


async def look_into_bin(world: World, env: BackfillEnvironment, outcome: CrawlOutcome) -> BinOutcome:
    """Publish what the recycle bin tells after a crawl; the first time, since that crawl began."""
    recycle_bin = RecycleBin(
        client=env.client,
        bus=env.bus,
        codec=env.codec,
        objects=env.objects,
        organization_id=env.organization_id,
        catalog=world.selection.catalog,
        tables=world.tables,
    )
    return await recycle_bin.look(outcome.run.id, first_since_us=outcome.run.started_us)


def held_deletions(world: World) -> HeldStore:
    """The deletions of the organization in the settings that are held back."""
    return HeldStore(world.objects, organization_id(world.settings))
