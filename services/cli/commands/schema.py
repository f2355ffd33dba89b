"""`productive-ingest schema`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import click

from services.backfill.sightings import Sightings
from services.cli.live import READING_LEASE
from services.cli.options import Invocation, common_options, run_async
from services.cli.pipeline import WRITER_LEASE
from services.cli.purging import alone
from services.cli.reading import open_for_reading
from services.cli.schema import addition, dropped, table_of
from services.cli.selection import Selection
from services.cli.warehouses import renew_copy
from services.cli.world import World, open_world, organization_id
from shared.catalog import ColumnType
from shared.catalog.changes import SchemaChanges, SchemaStore
from shared.catalog.drift import TableDrift, table_drift, types_by_field
from shared.errors import BusyError, StorageError
from shared.objects.lease import is_held
from shared.warehouse import QueryableWarehouse, TableState
from shared.warehouse.port import OWN_COLUMNS

_OWN = frozenset(name for name, _ in OWN_COLUMNS)


@click.group(epilog="Example: productive-ingest schema diff")
def schema() -> None:
    """What Productive sends and the tables do not have, and the other way round."""


@schema.command("diff", epilog="Example: productive-ingest schema diff -t deals")
@click.option("-t", "--table", "names", multiple=True, help="Only this table; may be repeated.")
@common_options
@run_async
async def diff(invocation: Invocation, names: Sequence[str]) -> None:
    """New fields, values that do not fit, columns that get nothing any more, columns left behind.

    Of what the last crawls met and what the warehouse has; asks Productive nothing. Values are not shown.
    """
    async with open_world(invocation.settings) as world:
        organization_id(invocation.settings)
        chosen = world.selection.only(names) if names else world.tables
        states = await _states(invocation, chosen)
        drifts: dict[str, TableDrift] = {}
        for name, selected in chosen.items():
            checkpoint = await world.checkpoints.table(name)
            seen = checkpoint.sightings if checkpoint else Sightings()
            drifts[name] = table_drift(
                selected,
                unknown=seen.unknown,
                unfit=seen.unfit,
                absent=seen.absent,
                stored=_stored(states.get(name)),
            )
    differing = {name: drift for name, drift in drifts.items() if drift}
    rows = [row for name, drift in differing.items() for row in _rows(name, drift)]
    if rows:
        invocation.output.table(("table", "column", "what differs", "what to do"), rows)
    else:
        invocation.output.say("No differences.")
    invocation.output.result({"tables": differing})


@schema.command("add", epilog="Example: productive-ingest schema add deals.new_field --type NUMERIC")
@click.argument("field", metavar="TABLE.FIELD")
@click.option(
    "--type",
    "type_name",
    type=click.Choice([type_.value for type_ in ColumnType], case_sensitive=False),
    help="The column's type.  [default: guessed from the field's name and what was sent]",
)
@common_options
@run_async
async def add(invocation: Invocation, field: str, type_name: str | None) -> None:
    """Take in a field that the tables do not have, or a column that was dropped.

    The next crawl reads that table again as a whole. A new field's type is guessed if none is given.
    """
    output = invocation.output
    async with _changing(invocation) as (world, change):
        table, _ = table_of(world.selection, field)
        checkpoint = await world.checkpoints.table(table.name)
        seen = types_by_field(checkpoint.sightings.unknown) if checkpoint else {}
        added = addition(
            world.selection,
            change.changes,
            field,
            type_=ColumnType(type_name) if type_name else None,
            seen=seen,
        )
        column = f"{added.table}.{added.column.name}"
        if added.how == "there":
            output.say(f"{column} is synced already.")
        else:
            await change.store.save(added.changes)
            output.say(f"{column}: {_added_type(world.selection, column, added.column.type)}", style="bold")
            if added.how == "new" and added.column.guessed:
                output.say("The type is a guess; --type says another one, before the next crawl.")
            output.say(f"The next `backfill` reads {added.table} again as a whole and fills it.")
            await _tell_running(invocation, world)
        if added.table not in world.tables:
            output.say(f"{added.table} is not selected: add it under [tables].", style="yellow")
    output.result({"column": column, "type": added.column.type, "outcome": added.how})


@schema.command("drop", epilog="Example: productive-ingest schema drop people.contact --yes")
@click.argument("name", metavar="TABLE.COLUMN")
@click.option("--yes", is_flag=True, help="Do it. Without it a person is asked.")
@common_options
@run_async
async def drop(invocation: Invocation, name: str, yes: bool) -> None:
    """Stop filling a column and remove it from the warehouse for good, with its history."""
    settings, output = invocation.settings, invocation.output
    async with _changing(invocation) as (world, change):
        table, _ = table_of(world.selection, name)
        async with open_for_reading(settings, output) as warehouse:
            stored = _stored(await warehouse.state(table.name))
            table_name, column, changes = dropped(world.selection, change.changes, name, stored)
            count = await _values(warehouse, table_name, column) if column in stored else 0
        output.say(f"{table_name}.{column}: {count:,} values in the warehouse", style="bold")
        if not yes and not _confirmed(invocation, f"{table_name}.{column}"):
            output.say("Nothing was dropped; --yes does it.")
            output.result({"column": f"{table_name}.{column}", "values": count, "dropped": False})
            return
        async with alone(world) as warehouse:
            # First of all: a drop that is cut off must not have made room for new values.
            await change.store.save(changes)
            removed = await warehouse.purge_column(table_name, column)
            await renew_copy(warehouse)
        letters = (await world.bus.backlog()).dead_letters
    output.say("Dropped; it is not filled any more." if removed else "It is not filled any more.")
    output.say(f"`productive-ingest schema add {table_name}.{column}` takes it in again.")
    if letters:
        output.say(f"{letters:,} dead letters may still hold values of it.", style="yellow")
    output.result({"column": f"{table_name}.{column}", "values": count, "dropped": True})


@dataclass(frozen=True)
class _Change:
    store: SchemaStore
    changes: SchemaChanges


@asynccontextmanager
async def _changing(invocation: Invocation) -> AsyncIterator[tuple[World, _Change]]:
    async with open_world(invocation.settings) as world:
        store = SchemaStore(world.objects, organization_id(invocation.settings))
        await world.refuse_other_organizations()
        yield world, _Change(store, await store.load())


async def _states(invocation: Invocation, tables: Mapping[str, Any]) -> Mapping[str, TableState]:
    try:
        async with open_for_reading(invocation.settings, invocation.output) as warehouse:
            states = dict(zip(tables, await asyncio.gather(*map(warehouse.state, tables)), strict=True))
    except (BusyError, StorageError) as error:
        invocation.output.note(error.message, style="yellow")
        return {}
    return {name: state for name, state in states.items() if state is not None}


async def _values(warehouse: QueryableWarehouse, table: str, column: str) -> int:
    question = f"select count({warehouse.quote(column)}) from {warehouse.quote(table)}"  # noqa: S608 -- quoted
    answer = await warehouse.query(question)
    return int(answer.rows[0][0])


async def _tell_running(invocation: Invocation, world: World) -> None:
    running = await is_held(world.objects, WRITER_LEASE) or await is_held(world.objects, READING_LEASE)
    invocation.output.say(
        "Before that, restart `run` and `serve` where they are running: until then webhooks leave it empty.",
        style="yellow" if running else "dim",
    )


def _stored(state: TableState | None) -> Mapping[str, str]:
    return {name: type_ for name, type_ in state.columns.items() if name not in _OWN} if state else {}


def _added_type(selection: Selection, column: str, type_: ColumnType) -> str:
    return "hashed, STRING" if column in selection.rules.hash_columns else str(type_)


def _rows(table: str, drift: TableDrift) -> list[tuple[str, str, str, str]]:
    rows = []
    for new in drift.new:
        seen = ", ".join(f"{count:,} × {type_}" for type_, count in new.types.items())
        todo = f"schema add {table}.{new.field} (as {new.type})" if new.column else ""
        rows.append((table, new.field, f"new: {seen}", todo))
    rows += [
        (table, name, f"{count:,} values do not fit; they are in _unparsed", "")
        for name, count in drift.unfit.items()
    ]
    rows += [(table, name, "not sent by Productive any more", "") for name in drift.absent]
    rows += [
        (table, name, "in the warehouse, not selected", f"schema drop {table}.{name}")
        for name in drift.left_behind
    ]
    rows += [
        (
            table,
            one.column,
            f"{one.in_warehouse} in the warehouse, {one.selected} selected",
            f"schema drop and schema add {table}.{one.column}",
        )
        for one in drift.retyped
    ]
    return rows


def _confirmed(invocation: Invocation, typed: str) -> bool:
    if not invocation.output.interactive:
        return False
    answer = click.prompt(f"This cannot be undone. Type {typed} to drop it", default="", show_default=False)
    return bool(answer.strip() == typed)
