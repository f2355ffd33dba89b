"""What `schema` commands decide: which column a name means, and what has to be remembered about it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

from services.cli.selection import Selection
from shared.catalog.changes import SchemaChanges
from shared.catalog.guess import guessed_column
from shared.catalog.model import Column, ColumnType, Table
from shared.errors import ConfigError


@dataclass(frozen=True)
class Addition:
    """A column that is taken in, and the changes with it; `there` when it is synced already."""

    table: str
    column: Column
    changes: SchemaChanges
    how: Literal["there", "back", "named", "new"]


def table_of(selection: Selection, qualified: str) -> tuple[Table, str]:
    """The table and the field of `table.field`; `ConfigError` when it is not written like that."""
    name, dot, field = qualified.partition(".")
    if not dot or not field:
        raise ConfigError(
            f"{qualified!r} names no field", advice="Write it as table.field, like deals.new_field."
        )
    return selection.catalog.table(name), field


def addition(
    selection: Selection,
    changes: SchemaChanges,
    qualified: str,
    *,
    type_: ColumnType | None,
    seen: Mapping[str, Mapping[str, int]],
) -> Addition:
    """How `table.field` is taken in. `seen` are the table's fields that no column takes, with their types.

    `ConfigError` for a field that nobody has seen, unless a person names its type, for a type other than
    the catalog's, and for a column that the configuration leaves out.
    """
    table, field = table_of(selection, qualified)
    column = next((known for known in table.columns if known.name == field), None)
    if column is None and field not in seen:
        column = next((known for known in table.columns if known.field == field), None)
    if column is None:
        return _unknown(table, field, changes, type_, seen)
    name = f"{table.name}.{column.name}"
    if name in selection.rules.skip_columns:
        place = selection.rules.places.get(("columns.skip", name))
        raise ConfigError(
            f"{name} is left out by `skip` in the configuration",
            advice=f"Take it out there ({place})." if place else "Take it out there.",
        )
    if type_ and column in changes.added.get(table.name, ()):
        column = msgspec.structs.replace(column, type=type_, guessed=False)
        return Addition(table.name, column, changes.with_added(table.name, column), "new")
    if type_ not in (None, column.type):
        raise ConfigError(
            f"{name} is {column.type} in the catalog, and cannot be {type_}",
            advice="Leave out --type.",
        )
    if name in selection.rules.dropped_columns:
        # The definition of one that was added by command was kept.
        return Addition(table.name, column, changes.with_named(table.name, column.name), "back")
    if column.secret and name not in (*selection.rules.add_columns, *selection.rules.named_columns):
        return Addition(table.name, column, changes.with_named(table.name, column.name), "named")
    return Addition(table.name, column, changes, "there")


def _unknown(
    table: Table,
    field: str,
    changes: SchemaChanges,
    type_: ColumnType | None,
    seen: Mapping[str, Mapping[str, int]],
) -> Addition:
    types = seen.get(field)
    if types is None and type_ is None:
        near = difflib.get_close_matches(field, [*seen, *(column.name for column in table.columns)], n=1)
        hint = f"Did you mean {table.name}.{near[0]}? " if near else ""
        raise ConfigError(
            f"the last crawl has seen no field {field!r} in {table.name}",
            advice=f"{hint}To add it all the same, say its type with --type.",
        )
    column = guessed_column(table, field, types or {}, type_)
    return Addition(table.name, column, changes.with_added(table.name, column), "new")


def dropped(
    selection: Selection, changes: SchemaChanges, qualified: str, stored: Mapping[str, str]
) -> tuple[str, str, SchemaChanges]:
    """Table, column and the changes without it; `stored` are the warehouse's columns of that table.

    `ConfigError` for a column that nobody has, and for those without which a table is none.
    """
    table, name = table_of(selection, qualified)
    columns = {column.name for column in table.columns}
    if name == "id" or name.startswith("_"):
        raise ConfigError(f"{table.name}.{name} cannot be dropped", advice="Every row needs it.")
    if name not in columns and name not in stored:
        near = difflib.get_close_matches(name, [*columns, *stored], n=1)
        raise ConfigError(
            f"the table {table.name!r} has no column {name!r}",
            advice=f"Did you mean {table.name}.{near[0]}?"
            if near
            else f"`productive-ingest tables show {table.name}` lists them.",
        )
    return table.name, name, changes.with_dropped(table.name, name)
