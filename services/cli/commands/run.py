"""`productive-ingest run`."""

from __future__ import annotations

import click

from services.backfill.crawl import crawl
from services.backfill.plan import Scope
from services.backfill.summary import CrawlSummary, summarize
from services.cli.commands.backfill import scope_of_first
from services.cli.commands.serve import listening, listening_options, tell_address
from services.cli.deletions import comparing, look_into_bin
from services.cli.live import live
from services.cli.options import Invocation, common_options, run_async
from services.cli.pipeline import open_writer
from services.cli.render.progress import show_progress
from services.cli.render.summary import deletion_remarks
from services.cli.supervision import Crew, stop_on_signals
from services.cli.warehouses import keep_copy, prove, renew_copy, where_to_ask
from services.cli.world import World, open_client, open_world
from services.writer.environment import WriterTotals
from shared.config import Settings
from shared.errors import TransientError
from shared.productive import ProductiveClient
from shared.warehouse import Warehouse

RESERVE = 0.2
"""The share of Productive's limits that crawls leave to re-reads, unless another one is set."""


@click.command(epilog="Example: productive-ingest run --every 60")
@click.option(
    "--every",
    "minutes",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    help="Minutes from the start of one crawl to the start of the next.",
)
@listening_options
@common_options
@run_async
async def run(invocation: Invocation, minutes: float, host: str | None, port: int | None) -> None:
    """Take webhooks, crawl now and again, and write all the time, in one process, until stopped.

    A change in Productive is in the warehouse about a second later once `webhooks register` has told
    Productive to send it here; the crawls find what no webhook tells. They read what has changed, and each
    table as a whole once a week.
    """
    settings, output = listening(invocation.settings, host, port), invocation.output
    totals = WriterTotals()
    async with open_client(settings) as client, open_world(settings) as world:
        await world.refuse_other_organizations()
        scope = await scope_of_first(world, Scope())
        async with (
            open_writer(world, totals) as (writer, warehouse),
            live(world, client, output.note, also_alive=lambda: writer.is_alive) as service,
        ):
            await tell_address(output, service)
            output.note(f"{where_to_ask(warehouse)}; Ctrl-C ends it")
            await prove(warehouse)
            crew = Crew()
            crew.start(writer.run(), writer.stop)
            service.join(crew)
            crew.start(keep_copy(warehouse))
            crew.start(world.watch_buses())
            crawling = _modest(client, settings)
            crawls = _crawl_again_and_again(
                invocation, world, crawling, warehouse, seconds=minutes * 60, scope=scope
            )
            crew.start(crawls)
            await crew.run(stop_on_signals())
            counts = service.counts()
            await renew_copy(warehouse)
    output.result(
        {
            "written": totals.applied,
            "refused": totals.refused,
            "stale": totals.stale,
            "webhooks": counts,
        }
    )


def _modest(client: ProductiveClient, settings: Settings) -> ProductiveClient:
    """The client for crawls, which leaves a share of the limits to webhooks' re-reads."""
    return client.with_reserve(RESERVE) if settings.reserve is None else client


async def _crawl_again_and_again(
    invocation: Invocation,
    world: World,
    client: ProductiveClient,
    warehouse: Warehouse,
    *,
    seconds: float,
    scope: Scope,
) -> None:
    """The first crawl is of that scope; one that fails for want of an answer is resumed by the next one."""
    while True:
        started = world.clock.monotonic()
        requests = client.stats.requests
        try:
            with show_progress(invocation.output, len(world.tables), client.budget_left) as progress:
                env = comparing(world.backfill(client, progress), warehouse, world.settings)
                outcome = await crawl(env, scope=scope)
            scope = Scope()
            recycled = await look_into_bin(world, env, outcome)
            _tell(invocation, summarize(outcome, client.stats.requests - requests, recycled))
        except TransientError as error:
            invocation.output.note(f"the crawl failed for now: {error.message}", style="yellow")
        await world.clock.sleep(started + seconds - world.clock.monotonic())


def _tell(invocation: Invocation, summary: CrawlSummary) -> None:
    state = "complete" if summary.complete else "not complete, the next one goes on"
    invocation.output.note(
        f"crawl {summary.run_id}: {summary.records:,} records, {summary.requests:,} requests, "
        f"{summary.seconds:.1f} s, {state}"
    )
    for line in deletion_remarks(summary):
        invocation.output.note(line, style="yellow")
