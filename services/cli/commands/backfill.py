"""`productive-ingest backfill`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager

import click
import msgspec

from services.backfill.crawl import CrawlOutcome, crawl
from services.backfill.plan import Mode, Scope
from services.backfill.recycle_bin import BinOutcome
from services.backfill.summary import CrawlSummary, summarize
from services.cli.deletions import comparing, copy_to_compare, held_deletions, look_into_bin
from services.cli.options import Invocation, common_options, run_async
from services.cli.pipeline import read_and_write_while
from services.cli.render.progress import show_progress
from services.cli.render.summary import print_summary
from services.cli.world import World, open_client, open_world
from services.ingest.webhooks.since import parse_since
from services.writer.environment import WriterTotals
from shared.catalog.selection import SelectedTable
from shared.errors import ExitCode
from shared.productive import ProductiveClient
from shared.urls import path_of, scheme_of
from shared.warehouse import Warehouse


@click.command(
    epilog="Example: PRODUCTIVE_API_TOKEN=... PRODUCTIVE_ORGANIZATION_ID=42 productive-ingest backfill",
)
@click.option("-t", "--table", "names", multiple=True, help="Crawl only this table; may be repeated.")
@click.option("--full", is_flag=True, help="Read tables as a whole, not only what has changed.")
@click.option(
    "--since",
    metavar="TIME",
    help="Read what has changed since then: 6h, 2d (ago), 2026-11-20, 2026-11-20T10:00+01:00.",
)
@click.option("--fresh", is_flag=True, help="Begin anew, even where an unfinished crawl could be resumed.")
@click.option(
    "--confirm-deletions",
    "confirmed",
    metavar="TABLE",
    multiple=True,
    help="Read this table as a whole and delete what is gone, though it is much; may be repeated.",
)
@common_options
@run_async
async def backfill(
    invocation: Invocation,
    *,
    names: Sequence[str],
    full: bool,
    since: str | None,
    fresh: bool,
    confirmed: Sequence[str],
) -> int:
    """Read from Productive what is new: changes where it can be asked for them, else whole tables.

    A table that was not read to its end before is read as a whole, and each is once a week: some changes
    cannot be asked for, and no deletion can. With the embedded stores it also writes what it read, so that
    this command alone fills productive-data/productive.duckdb. A crawl that was stopped or killed goes on
    where it was.

    Rows that are gone from Productive are deleted, but held back where they are a large share of a table:
    --confirm-deletions lets them go.
    """
    settings, output = invocation.settings, invocation.output
    if (full or confirmed) and since:
        raise click.UsageError("--since reads changes only, and finds nothing that is gone")
    async with open_client(settings) as client, open_world(settings) as world:
        for table in confirmed:
            await held_deletions(world).confirm(table)
        names, full = (*names, *confirmed), full or bool(confirmed)
        scope = Scope(Mode.SINCE, parse_since(since, world.clock.now_us())) if since else Scope()
        summary, totals = await crawl_and_write(
            invocation, world, client, names=names, scope=Scope(Mode.FULL) if full else scope, fresh=fresh
        )
    if world.local_bus:
        print_summary(output, summary, totals.applied, settings.warehouse_url)
    else:
        print_summary(output, summary, {}, settings.bus_url)
    output.result({**msgspec.to_builtins(summary), "written": totals.applied, "refused": totals.refused})
    return ExitCode.OK if summary.complete and summary.readable else ExitCode.INCOMPLETE


async def crawl_and_write(
    invocation: Invocation,
    world: World,
    client: ProductiveClient,
    *,
    names: Sequence[str] = (),
    scope: Scope | None = None,
    fresh: bool = False,
) -> tuple[CrawlSummary, WriterTotals]:
    """One crawl with its progress shown, written as well where the bus is of this machine."""
    await world.refuse_other_organizations()
    tables = _chosen(world, names)
    scope = await scope_of_first(world, scope or Scope())
    totals = WriterTotals()
    with show_progress(invocation.output, len(tables), client.budget_left) as progress:
        env = world.backfill(client, progress, tables)

        async def work(warehouse: Warehouse | None) -> tuple[CrawlOutcome, BinOutcome | None]:
            crawling = comparing(env, warehouse, world.settings)
            outcome = await crawl(crawling, scope=scope, fresh=fresh, partial=bool(names))
            return outcome, None if names else await look_into_bin(world, crawling, outcome)

        def copy() -> AbstractAsyncContextManager[Warehouse | None]:
            return copy_to_compare(world.settings, invocation.output)

        if world.local_bus:
            everything = dataclasses.replace(world, tables={**world.tables, **tables})
            outcome, recycled = await read_and_write_while(everything, totals, work, copy)
        else:
            async with copy() as warehouse:
                outcome, recycled = await work(warehouse)
    return summarize(outcome, client.stats.requests, recycled), totals


async def scope_of_first(world: World, asked: Scope) -> Scope:
    """What the first crawl of this process is to read, which is everything where the warehouse is lost.

    To be asked before the warehouse is opened, because that makes an empty one.
    """
    url = world.settings.warehouse_url
    lost = scheme_of(url) == "duckdb" and not path_of(url).exists()
    if lost and await world.checkpoints.run() is not None:
        return Scope(Mode.FULL, reason="the warehouse is new")
    return asked


def _chosen(world: World, names: Sequence[str]) -> Mapping[str, SelectedTable]:
    """The tables named, be they selected or not; all selected ones when none is named."""
    if not names:
        return world.tables
    return world.selection.only(names)
