"""`productive-ingest resync`."""

from __future__ import annotations

from collections.abc import Sequence

import click
import msgspec

from services.backfill.plan import Mode, Scope
from services.cli.commands.backfill import crawl_and_write
from services.cli.commands.purge import confirmed
from services.cli.options import Invocation, common_options, run_async
from services.cli.purging import purge_everywhere
from services.cli.render.summary import print_summary
from services.cli.world import World, open_client, open_world
from services.purge.plan import plan_table
from shared.catalog import load_catalog
from shared.errors import ConfigError, ExitCode
from shared.objects.lease import hold_lease


@click.command(epilog="Example: productive-ingest resync deals tasks")
@click.argument("tables", nargs=-1, required=True)
@click.option("--purge", "empty", is_flag=True, help="Empty the tables first; their history goes, too.")
@click.option("--yes", is_flag=True, help="Do not ask before tables are emptied.")
@common_options
@run_async
async def resync(invocation: Invocation, tables: Sequence[str], empty: bool, yes: bool) -> int:
    """Read tables again as if they had never been read, whatever is known of them.

    Rows that Productive still has are written anew, and what its endpoint once refused is tried again.
    """
    settings, output = invocation.settings, invocation.output
    names = list(dict.fromkeys(load_catalog().table(name).name for name in tables))
    async with open_client(settings) as client, open_world(settings) as world:
        await world.refuse_other_organizations()
        for name in names:
            if name not in world.tables:
                raise ConfigError(
                    f"{name!r} is not among the selected tables",
                    advice=f"Add it in the configuration, or read it once: `backfill --full --table {name}`.",
                )
        removed = 0
        if empty:
            if not yes and not confirmed(invocation, " ".join(names)):
                output.say("Nothing was done; --yes empties the tables and reads them again.")
                output.result({"resynced": False})
                return ExitCode.OK
            removed = sum([await _emptied(world, name) for name in names])
        await _forget(world, names)
        scope = Scope(Mode.FULL)
        summary, totals = await crawl_and_write(invocation, world, client, names=names, scope=scope)
    print_summary(output, summary, totals.applied, settings.warehouse_url)
    told = {"written": totals.applied, "refused": totals.refused, "purged_rows": removed}
    output.result({**msgspec.to_builtins(summary), **told, "resynced": True})
    return ExitCode.OK if summary.complete and summary.readable else ExitCode.INCOMPLETE


async def _emptied(world: World, name: str) -> int:
    """How many rows a table had that has none any more."""
    done = await purge_everywhere(world, lambda warehouse: plan_table(warehouse, load_catalog(), name))
    return done.rows


async def _forget(world: World, names: Sequence[str]) -> None:
    """Have nothing known of how the tables were read before."""
    checkpoints = world.checkpoints
    what = "a crawl of this organization"
    async with hold_lease(world.objects, checkpoints.lease_name, world.clock, what=what):
        for name in names:
            await checkpoints.forget_table(name)
