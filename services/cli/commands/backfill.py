"""`productive-ingest backfill`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import click
import msgspec

from services.backfill.crawl import CrawlOutcome, crawl
from services.backfill.summary import CrawlSummary, summarize
from services.cli.options import Invocation, common_options, run_async
from services.cli.pipeline import write_while
from services.cli.render.progress import show_progress
from services.cli.render.summary import print_summary
from services.cli.world import World, open_client, open_world
from services.writer.environment import WriterTotals
from shared.catalog.selection import SelectedTable
from shared.errors import ExitCode
from shared.productive import ProductiveClient


@click.command(
    epilog="Example: PRODUCTIVE_API_TOKEN=... PRODUCTIVE_ORGANIZATION_ID=42 productive-ingest backfill",
)
@click.option("-t", "--table", "names", multiple=True, help="Crawl only this table; may be repeated.")
@click.option("--fresh", is_flag=True, help="Begin anew, even where an unfinished crawl could be resumed.")
@common_options
@run_async
async def backfill(invocation: Invocation, names: Sequence[str], fresh: bool) -> int:
    """Read every selected table from Productive, in full.

    With the embedded stores it also writes what it read, so that this command alone fills
    productive-data/productive.duckdb. A crawl that was stopped or killed goes on where it was.
    """
    settings, output = invocation.settings, invocation.output
    async with open_client(settings) as client, open_world(settings) as world:
        summary, totals = await crawl_and_write(invocation, world, client, names=names, fresh=fresh)
    if world.embedded:
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
    fresh: bool = False,
) -> tuple[CrawlSummary, WriterTotals]:
    """One crawl with its progress shown, written as well where the stores are embedded."""
    await world.refuse_other_organizations()
    tables = _chosen(world, names)
    totals = WriterTotals()
    with show_progress(invocation.output, len(tables), client.budget_left) as progress:
        env = world.backfill(client, progress, tables)

        async def work() -> CrawlOutcome:
            return await crawl(env, fresh=fresh, partial=bool(names))

        if world.embedded:
            everything = dataclasses.replace(world, tables={**world.tables, **tables})
            outcome = await write_while(everything, totals, work)
        else:
            outcome = await work()
    return summarize(outcome, client.stats.requests), totals


def _chosen(world: World, names: Sequence[str]) -> Mapping[str, SelectedTable]:
    """The tables named, be they selected or not; all selected ones when none is named."""
    if not names:
        return world.tables
    return world.selection.only(names)
