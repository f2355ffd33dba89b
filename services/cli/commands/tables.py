"""`productive-ingest tables`."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from services.cli.options import Invocation, common_options, run_async
from services.cli.selection import Selection, look_at_selection
from shared.catalog import Column, Table, load_catalog


@click.group(epilog="Example: productive-ingest tables show deals")
def tables() -> None:
    """What can be synced: the tables and their columns."""


@tables.command("list", epilog="Example: productive-ingest tables list --all")
@click.option("--all", "everything", is_flag=True, help="Also those that are not selected.")
@common_options
@run_async
async def list_tables(invocation: Invocation, everything: bool) -> None:
    """The selected tables, or all that Productive has."""
    selection = await look_at_selection(invocation.settings)
    selected = selection.tables
    shown = [table for table in selection.catalog.values() if everything or table.name in selected]
    rows = [
        (
            table.name,
            "yes" if table.name in selected else "no",
            len(selected[table.name].columns) if table.name in selected else len(table.columns),
            len(selected[table.name].hashed_columns) or None if table.name in selected else None,
            len(table.columns) - len(selected[table.name].columns) or None
            if table.name in selected
            else None,
            how_synced(table),
        )
        for table in shown
    ]
    columns = ("table", "selected", "columns", "hashed", "left out", "how it is synced")
    invocation.output.table(columns, rows)
    invocation.output.result({"tables": [dict(zip(columns, row, strict=True)) for row in rows]})


@tables.command("show", epilog="Example: productive-ingest tables show time_entries")
@click.argument("name")
@common_options
@run_async
async def show_table(invocation: Invocation, name: str) -> None:
    """One table: its columns, their types, what they join to, and whether they are synced."""
    output = invocation.output
    selection = await look_at_selection(invocation.settings)
    table = selection.catalog.table(name)
    output.say(f"{name}: read from /{table.path}, {how_synced(table)}", style="bold")
    for note in table.notes:
        output.say(note)
    marks = {column.name: _mark(selection, table, column) for column in table.columns}
    output.table(
        ("column", "type", "joins to", "selected"),
        [
            (
                column.name,
                column.type.value,
                f"{column.references}.id" if column.references else "",
                marks[column.name],
            )
            for column in table.columns
        ],
    )
    value: dict[str, Any] = msgspec.to_builtins(table)
    output.result({**value, "selected": marks})


def _mark(selection: Selection, table: Table, column: Column) -> str:
    """Whether a column is synced, and as what or why not."""
    name, rules = f"{table.name}.{column.name}", selection.rules
    if name in rules.dropped_columns:
        return "no (dropped)"
    if name in rules.skip_columns:
        return "no (skipped)"
    if column.secret and name not in (*rules.add_columns, *rules.named_columns):
        return "no (a credential)"
    if table.name not in selection.tables:
        return "no"
    marks = [
        mark
        for mark, is_so in (
            ("hashed, so STRING", name in rules.hash_columns),
            ("a credential", column.secret),
            ("added", column not in load_catalog()[table.name].columns),
        )
        if is_so
    ]
    return f"yes ({', '.join(marks)})" if marks else "yes"


def how_synced(table: Table) -> str:
    """How a table is kept up to date, in words."""
    if not table.listable:
        return "cannot be synced: the API has no list of it"
    if table.change_filter:
        return f"its changes, by {table.change_filter}; whole once a week"
    if table.change_sorts:
        return f"its changes, in the order of {table.change_sorts[0]}; whole once a week"
    return "whole each time"
