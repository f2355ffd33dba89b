"""`productive-ingest purge`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

import click
import msgspec

from services.cli.options import Invocation, common_options, run_async
from services.cli.purging import open_keep_out, places, purge_everywhere
from services.cli.reading import open_for_reading
from services.cli.world import World, open_world
from services.purge.places import Found
from services.purge.plan import Fate, Plan, plan_everything, plan_person, plan_record, plan_table
from shared.catalog import load_catalog
from shared.errors import ConfigError
from shared.warehouse.port import Warehouse

Planner = Callable[[Warehouse, World], Awaitable[Plan]]

_yes = click.option("--yes", is_flag=True, help="Do it. Without it the plan is shown, and a person is asked.")
_keep_out = click.option(
    "--keep-out", is_flag=True, help="Never write these records again, even if Productive still has them."
)


@click.group(epilog="Example: productive-ingest purge person jane@example.com")
def purge() -> None:
    """Forget for good: a record, a person, a table or everything, wherever it is kept."""


@purge.command("record", epilog="Example: productive-ingest purge record tasks 4711 --yes")
@click.argument("table")
@click.argument("record_id")
@_keep_out
@_yes
@common_options
@run_async
async def record(invocation: Invocation, table: str, record_id: str, keep_out: bool, yes: bool) -> None:
    """One record with its history."""
    catalog = load_catalog()
    catalog.table(table)
    await _purge(
        invocation,
        lambda warehouse, _: plan_record(warehouse, catalog, table, record_id),
        typed=record_id,
        keep_out=keep_out,
        yes=yes,
    )


@purge.command("person", epilog="Example: productive-ingest purge person jane@example.com --keep-out")
@click.argument("who")
@click.option(
    "--also", multiple=True, metavar="TABLE", help="All rows of this table that name the person; repeatable."
)
@_keep_out
@_yes
@common_options
@run_async
async def person(invocation: Invocation, who: str, also: Sequence[str], keep_out: bool, yes: bool) -> None:
    """A person, by id or e-mail address: who they are and what is about them.

    Work that names the person (hours, tasks, invoices) stays, with an id that leads nowhere; --also takes the
    rows of such a table as well.
    """
    catalog = load_catalog()
    for name in also:
        catalog.table(name)

    async def planner(warehouse: Warehouse, world: World) -> Plan:
        hasher = world.selection.hasher
        pseudonym = hasher.pseudonym if hasher else None
        return await plan_person(warehouse, world.selection.catalog, who, also=also, pseudonym=pseudonym)

    await _purge(
        invocation,
        planner,
        typed=who,
        keep_out=keep_out,
        yes=yes,
    )


@purge.command("table", epilog="Example: productive-ingest purge table salaries --yes")
@click.argument("table")
@_yes
@common_options
@run_async
async def whole_table(invocation: Invocation, table: str, yes: bool) -> None:
    """A whole table. While it is selected the next crawl reads it again: skip it in the configuration."""
    catalog = load_catalog()
    name = catalog.table(table).name
    await _purge(invocation, lambda warehouse, _: plan_table(warehouse, catalog, name), typed=name, yes=yes)


@purge.command("everything", epilog="Example: productive-ingest purge everything")
@_yes
@common_options
@run_async
async def everything(invocation: Invocation, yes: bool) -> None:
    """All tables, all that waits and all that crawls remember; not the secrets and the webhooks."""
    await _purge(
        invocation,
        lambda warehouse, _: plan_everything(warehouse, load_catalog()),
        typed="everything",
        yes=yes,
    )


@purge.command("list", epilog="Example: productive-ingest purge list")
@common_options
@run_async
async def list_kept_out(invocation: Invocation) -> None:
    """How many records of which tables are kept out; whose they are the list does not tell."""
    async with open_world(invocation.settings) as world, open_keep_out(world) as kept:
        counts = await kept.counts()
    if counts:
        invocation.output.table(("table", "kept out"), sorted(counts.items()))
    else:
        invocation.output.say("No record is kept out.")
    invocation.output.result({"kept_out": counts})


@purge.command("forget", epilog="Example: productive-ingest purge forget people 17")
@click.argument("table", required=False)
@click.argument("record_ids", nargs=-1)
@click.option("--all", "all_of_them", is_flag=True, help="The whole list.")
@common_options
@run_async
async def forget(
    invocation: Invocation, table: str | None, record_ids: Sequence[str], all_of_them: bool
) -> None:
    """Let records that were kept out come back; `resync` reads them again."""
    if all_of_them == bool(table) or bool(table) != bool(record_ids):
        raise ConfigError("which records?", advice="Name a table and ids, or say --all.")
    rows = {load_catalog().table(table).name: record_ids} if table else None
    async with open_world(invocation.settings) as world, open_keep_out(world) as kept:
        count = await kept.forget(rows)
    invocation.output.say(f"{count:,} records may come back.")
    invocation.output.result({"forgotten": count})


async def _purge(
    invocation: Invocation, planner: Planner, *, typed: str, yes: bool, keep_out: bool = False
) -> None:
    """Show the plan, and do it if that is wanted; `typed` is what a person types to want it."""
    settings, output = invocation.settings, invocation.output
    async with open_world(settings) as world:
        await world.refuse_other_organizations()
        if not yes:
            async with open_for_reading(settings, output) as warehouse:
                plan = await planner(warehouse, world)
                waiting = {place.name: await place.count(plan.subject) for place in places(world)}
            _show(invocation, plan, waiting)
            if not confirmed(invocation, typed):
                output.say("Nothing was purged; --yes does it.")
                output.result({**_plain(plan, waiting), "purged": False})
                return
        done = await purge_everywhere(world, lambda warehouse: planner(warehouse, world), keep_out=keep_out)
    if yes:
        _show(invocation, done.plan, done.elsewhere)
    output.say()
    output.say(f"{done.plan.what}: purged, {done.rows:,} rows of the warehouse.", style="bold green")
    if keep_out:
        output.say(f"{done.kept_out:,} records are kept out from now on.")
    output.say("Backups, and what others have read, are out of reach; see docs/privacy.md.")
    told = _plain(done.plan, done.elsewhere)
    output.result({**told, "purged": True, "rows": done.rows, "kept_out": done.kept_out})


def confirmed(invocation: Invocation, typed: str) -> bool:
    """Whether a person at the terminal types what is to go."""
    if not invocation.output.interactive:
        return False
    answer = click.prompt(f"This cannot be undone. Type {typed} to purge", default="", show_default=False)
    return bool(answer.strip() == typed)


def _show(invocation: Invocation, plan: Plan, elsewhere: Mapping[str, Found]) -> None:
    output = invocation.output
    output.say(f"{plan.what}:", style="bold")
    rows = [
        (step.table, step.column, step.rows, step.fate, step.reason)
        for step in sorted(plan.steps, key=lambda step: step.fate is Fate.LEFT)
        if step.rows or step.column in ("", "id")
    ]
    output.table(("table", "column", "rows", "what happens", "why"), rows)
    output.say()
    held = [(name, found.records, found.unreadable) for name, found in elsewhere.items()]
    output.table(("elsewhere", "records that go", "unreadable, left"), held)
    if any(found.unreadable for found in elsewhere.values()):
        output.say("What nobody could read is left: look at it with `productive-ingest deadletters list`.")


def _plain(plan: Plan, elsewhere: Mapping[str, Found]) -> dict[str, object]:
    return {
        "what": plan.what,
        "identities": plan.identities,
        "steps": msgspec.to_builtins(plan.steps),
        "elsewhere": {
            name: {"records": found.records, "unreadable": found.unreadable}
            for name, found in elsewhere.items()
        },
    }
