"""`productive-ingest writer`."""

from __future__ import annotations

import click

from services.cli.options import Invocation, common_options, run_async
from services.cli.output import Output
from services.cli.pipeline import embedded_writer, keep_snapshot
from services.cli.supervision import Crew, stop_on_signals
from services.cli.world import open_world
from services.writer.environment import WriterTotals


@click.command(epilog="Example: productive-ingest writer --data-dir /var/lib/productive-ingest")
@click.option("--drain", is_flag=True, help="End once nothing waits on the bus any more.")
@common_options
@run_async
async def writer(invocation: Invocation, drain: bool) -> None:
    """Write what waits on the bus into the warehouse, until stopped.

    While it runs it alone has the warehouse file; a read-only copy beside it, refreshed every half minute,
    is there for queries.
    """
    totals = _Reporting(invocation.output)
    async with (
        open_world(invocation.settings) as world,
        embedded_writer(world, totals) as (service, warehouse),
    ):
        invocation.output.note(f"writing to {invocation.settings.warehouse_url}; Ctrl-C ends it")
        if drain:
            service.drain()
        crew = Crew()
        crew.start(service.run(), service.stop)
        crew.start(keep_snapshot(warehouse))
        await crew.run(stop_on_signals())
        await warehouse.refresh_snapshot(force=True)
    invocation.output.result({"written": totals.applied, "refused": totals.refused, "stale": totals.stale})


class _Reporting(WriterTotals):
    """Totals that also tell each write."""

    def __init__(self, output: Output) -> None:
        super().__init__()
        self._output = output

    def written(self, table: str, *, applied: int, stale: int, refused: int) -> None:
        """See `WriterObserver.written`."""
        super().written(table, applied=applied, stale=stale, refused=refused)
        rest = f", {stale:,} older than what is there" if stale else ""
        bad = f", {refused:,} refused" if refused else ""
        self._output.note(f"{table}: {applied:,} rows{rest}{bad}")
