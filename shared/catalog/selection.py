"""Which tables and columns are synced: the catalog narrowed (or widened) by what a person chose."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.catalog.loader import Catalog
from shared.catalog.model import Column, ColumnType, Table
from shared.errors import ConfigError


@dataclass(frozen=True)
class SelectionRules:
    """What a person wrote: table names, and columns as `table.column`.

    `only` replaces the default tables; `add` and `skip` change them. Credential columns come only by
    being named in `add_columns`; `skip_columns` leaves columns out.
    """

    only: tuple[str, ...] = ()
    add: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    add_columns: tuple[str, ...] = ()
    skip_columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class SelectedTable:
    """A table with the columns that are to be synced, `id` always first among them."""

    table: Table
    columns: tuple[Column, ...]

    @property
    def name(self) -> str:
        """The table's name."""
        return self.table.name

    @property
    def typed_columns(self) -> tuple[tuple[str, ColumnType], ...]:
        """Names and types, as a warehouse table wants them."""
        return tuple((column.name, column.type) for column in self.columns)


def select(catalog: Catalog, rules: SelectionRules) -> Mapping[str, SelectedTable]:
    """The selected tables by name, in the catalog's order.

    `ConfigError` for a name that does not exist (with the nearest that does), a table that Productive
    has no list of, and for skipping `id`.
    """
    wanted = {catalog.table(name).name for name in rules.only} or {t.name for t in catalog.default_tables()}
    wanted |= {catalog.table(name).name for name in rules.add}
    wanted -= {catalog.table(name).name for name in rules.skip}
    added = _by_table(catalog, rules.add_columns)
    skipped = _by_table(catalog, rules.skip_columns)
    if not wanted:
        raise ConfigError("no table is selected", advice="Leave at least one table out of `skip`.")
    for name in catalog:
        if name in wanted and not catalog[name].listable:
            raise ConfigError(
                f"{name!r} cannot be synced: Productive's API has no list of it",
                advice="Take it out of `tables`.",
            )
    return {
        name: SelectedTable(table, _columns(table, added.get(name, set()), skipped.get(name, set())))
        for name, table in catalog.items()
        if name in wanted
    }


def _columns(table: Table, added: set[str], skipped: set[str]) -> tuple[Column, ...]:
    if "id" in skipped:
        raise ConfigError(f"{table.name}.id cannot be left out", advice="Every row is found by its id.")
    return tuple(
        column
        for column in table.columns
        if column.name not in skipped and (not column.secret or column.name in added)
    )


def _by_table(catalog: Catalog, names: Sequence[str]) -> dict[str, set[str]]:
    chosen: dict[str, set[str]] = {}
    for qualified in names:
        table_name, dot, column_name = qualified.partition(".")
        if not dot:
            raise ConfigError(
                f"{qualified!r} does not name a column", advice="Write it as table.column, like deals.name."
            )
        table = catalog.table(table_name)
        columns = [column.name for column in table.columns]
        if column_name not in columns:
            near = difflib.get_close_matches(column_name, columns, n=1)
            hint = f"Did you mean {table_name}.{near[0]}? " if near else ""
            raise ConfigError(
                f"the table {table_name!r} has no column {column_name!r}",
                advice=f"{hint}`productive-ingest tables show {table_name}` lists them.",
            )
        chosen.setdefault(table_name, set()).add(column_name)
    return chosen
