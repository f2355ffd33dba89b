"""`productive-ingest writer`."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import AsyncExitStack

import click

from services.cli.options import Invocation, common_options, run_async
from services.cli.output import Output
from services.cli.pipeline import open_writer
from services.cli.supervision import Crew, stop_on_signals
from services.cli.warehouses import keep_copy, prove, renew_copy
from services.cli.world import open_world
from services.writer.environment import WriterTotals
from shared.telemetry.server import serving_metrics

_LOG_SECONDS = 60.0


@click.command(epilog="Example: productive-ingest writer --data-dir /var/lib/productive-ingest")
@click.option("--drain", is_flag=True, help="End once nothing waits on the bus any more.")
@common_options
@run_async
async def writer(invocation: Invocation, drain: bool) -> None:
    """Write what waits on the bus into the warehouse, until stopped.

    While it runs it alone has the file of an embedded warehouse; a read-only copy beside it, refreshed every
    half minute, is there for queries. On Pub/Sub and BigQuery several may run side by side.
    """
    totals, settings = _Reporting(invocation.output), invocation.settings
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(open_world(settings))
        service, warehouse = await stack.enter_async_context(open_writer(world, totals))
        invocation.output.note(f"writing to {settings.warehouse_url}; Ctrl-C ends it")
        await prove(warehouse)
        if drain:
            service.drain()
        crew = Crew()
        crew.start(service.run(), service.stop)
        crew.start(keep_copy(warehouse))
        if settings.metrics_port:
            serving = serving_metrics(
                settings.host, settings.metrics_port, world.metrics.registry, lambda: service.is_alive
            )
            host, port = await stack.enter_async_context(serving)
            invocation.output.note(f"metrics are at http://{host}:{port}/metrics")
            crew.start(world.watch_buses())
        await crew.run(stop_on_signals())
        await renew_copy(warehouse)
    invocation.output.result({"written": totals.applied, "refused": totals.refused, "stale": totals.stale})


class _Reporting(WriterTotals):
    """Totals that also tell each write; a log, which may be paid by the line, once a minute."""

    def __init__(self, output: Output) -> None:
        super().__init__()
        self._output = output
        self._told_at = float("-inf")
        self._untold: Counter[str] = Counter()

    def written(self, table: str, *, applied: int, stale: int, refused: int) -> None:
        """See `WriterObserver.written`."""
        super().written(table, applied=applied, stale=stale, refused=refused)
        if self._output.as_log:
            self._tell_seldom(table, applied)
            return
        rest = f", {stale:,} older than what is there" if stale else ""
        bad = f", {refused:,} refused" if refused else ""
        self._output.note(f"{table}: {applied:,} rows{rest}{bad}")

    def _tell_seldom(self, table: str, applied: int) -> None:
        self._untold[table] += applied
        now = time.monotonic()
        if now - self._told_at >= _LOG_SECONDS:
            rows = f"{self._untold.total():,} rows in {len(self._untold):,} tables"
            self._output.note(f"written since the last such line: {rows}")
            self._told_at = now
            self._untold.clear()
