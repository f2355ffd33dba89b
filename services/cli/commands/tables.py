"""`productive-ingest tables`."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from services.cli.options import Invocation, common_options
from shared.catalog import Table, load_catalog
from shared.catalog.selection import select


@click.group(epilog="Example: productive-ingest tables show deals")
def tables() -> None:
    """What can be synced: the tables and their columns."""


@tables.command("list", epilog="Example: productive-ingest tables list --all")
@click.option("--all", "everything", is_flag=True, help="Also those that are not selected.")
@common_options
def list_tables(invocation: Invocation, everything: bool) -> None:
    """The selected tables, or all that Productive has."""
    selected = select(load_catalog(), invocation.settings.selection)
    shown = [table for table in load_catalog().values() if everything or table.name in selected]
    rows = [
        (
            table.name,
            "yes" if table.name in selected else "no",
            len(selected[table.name].columns) if table.name in selected else len(table.columns),
            how_synced(table),
        )
        for table in shown
    ]
    columns = ("table", "selected", "columns", "how it is synced")
    invocation.output.table(columns, rows)
    invocation.output.result({"tables": [dict(zip(columns, row, strict=True)) for row in rows]})


@tables.command("show", epilog="Example: productive-ingest tables show time_entries")
@click.argument("name")
@common_options
def show_table(invocation: Invocation, name: str) -> None:
    """One table: its columns, their types and what they join to."""
    output = invocation.output
    table = load_catalog().table(name)
    selected = select(load_catalog(), invocation.settings.selection)
    taken = {column.name for column in selected[name].columns} if name in selected else set()
    output.say(f"{name}: read from /{table.path}, {how_synced(table)}", style="bold")
    for note in table.notes:
        output.say(note)
    output.table(
        ("column", "type", "joins to", "selected"),
        [
            (
                column.name,
                column.type.value,
                f"{column.references}.id" if column.references else "",
                "yes" if column.name in taken else "no (a credential)" if column.secret else "no",
            )
            for column in table.columns
        ],
    )
    value: dict[str, Any] = msgspec.to_builtins(table)
    output.result(value)


def how_synced(table: Table) -> str:
    """How a table is kept up to date, in words."""
    if not table.listable:
        return "cannot be synced: the API has no list of it"
    if table.change_filter:
        return f"whole; changes can be found by {table.change_filter}"
    return "whole each time"
