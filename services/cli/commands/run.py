"""`productive-ingest run`."""

from __future__ import annotations

import asyncio
import contextlib

import click

from services.backfill.crawl import crawl
from services.backfill.summary import CrawlSummary, summarize
from services.cli.commands.writer import stop_on_signals
from services.cli.options import Invocation, common_options, run_async
from services.cli.pipeline import embedded_writer, keep_snapshot
from services.cli.render.progress import show_progress
from services.cli.world import World, open_client, open_world
from services.writer.environment import WriterTotals
from shared.errors import ConfigError, TransientError
from shared.productive import ProductiveClient


@click.command(epilog="Example: productive-ingest run --every 60")
@click.option(
    "--every",
    "minutes",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    help="Minutes from the start of one crawl to the start of the next.",
)
@common_options
@run_async
async def run(invocation: Invocation, minutes: float) -> None:
    """Crawl again and again and write all the time, in one process, until stopped."""
    settings, output = invocation.settings, invocation.output
    totals = WriterTotals()
    async with open_client(settings) as client, open_world(settings) as world:
        if not world.embedded:
            raise ConfigError(
                "`run` needs the embedded stores (sqlite: and duckdb:)",
                advice="Run `backfill` and `writer` as processes of their own instead.",
            )
        await world.refuse_other_organizations()
        async with embedded_writer(world, totals) as (service, warehouse):
            stop_on_signals(service)
            others = [
                asyncio.create_task(_crawl_again_and_again(invocation, world, client, minutes * 60)),
                asyncio.create_task(keep_snapshot(warehouse)),
            ]
            writing = asyncio.create_task(service.run())
            output.note(f"running; for queries there is {warehouse.snapshot_path}; Ctrl-C ends it")
            try:
                done, _ = await asyncio.wait([*others, writing], return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                service.stop()
                for task in others:
                    task.cancel()
                await asyncio.gather(*others, return_exceptions=True)
                with contextlib.suppress(asyncio.CancelledError):
                    await writing
            await warehouse.refresh_snapshot(force=True)
    output.result({"written": totals.applied, "refused": totals.refused, "stale": totals.stale})


async def _crawl_again_and_again(
    invocation: Invocation, world: World, client: ProductiveClient, seconds: float
) -> None:
    """A crawl that fails for want of an answer is resumed by the next one."""
    while True:
        started = world.clock.monotonic()
        requests = client.stats.requests
        try:
            with show_progress(invocation.output, len(world.tables), client.budget_left) as progress:
                outcome = await crawl(world.backfill(client, progress))
            _tell(invocation, summarize(outcome, client.stats.requests - requests))
        except TransientError as error:
            invocation.output.note(f"the crawl failed for now: {error.message}", style="yellow")
        await world.clock.sleep(started + seconds - world.clock.monotonic())


def _tell(invocation: Invocation, summary: CrawlSummary) -> None:
    state = "complete" if summary.complete else "not complete, the next one goes on"
    invocation.output.note(
        f"crawl {summary.run_id}: {summary.records:,} records, {summary.requests:,} requests, "
        f"{summary.seconds:.1f} s, {state}"
    )
