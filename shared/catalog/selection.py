"""Which tables and columns are synced: the catalog narrowed (or widened) by what a person chose."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from shared.catalog.hashing import ColumnHasher, HashedColumn, hashed
from shared.catalog.loader import Catalog
from shared.catalog.model import Column, ColumnType, Table
from shared.catalog.rules import SelectionRules
from shared.errors import ConfigError

__all__ = ["SelectedTable", "SelectionRules", "select"]


@dataclass(frozen=True)
class SelectedTable:
    """A table with the columns that are to be synced, `id` always first among them.

    `revision` grows whenever its columns were changed by a command: one that was dropped, and taken in
    again, is empty although the same columns are selected as before.
    """

    table: Table
    columns: tuple[Column, ...]
    revision: int = 0

    @property
    def name(self) -> str:
        """The table's name."""
        return self.table.name

    @property
    def typed_columns(self) -> tuple[tuple[str, ColumnType], ...]:
        """Names and types, as a warehouse table wants them."""
        return tuple((column.name, column.type) for column in self.columns)

    @property
    def hashed_columns(self) -> tuple[str, ...]:
        """The names of those that hold pseudonyms; rows that were read before they did are not like them."""
        return tuple(column.name for column in self.columns if isinstance(column, HashedColumn))

    @property
    def shape(self) -> tuple[object, ...]:
        """All that decides what a row of the table looks like, with a stable `repr`.

        Rows that were read in another shape have to be read again.
        """
        fixed = (self.table.path, self.table.params, self.typed_columns)
        own = (self.hashed_columns, self.revision)
        return (*fixed, *own) if any(own) else fixed


def select(
    catalog: Catalog, rules: SelectionRules, hasher: ColumnHasher | None = None
) -> Mapping[str, SelectedTable]:
    """The selected tables by name, in the catalog's order; `hasher` makes the pseudonyms of hashed columns.

    `ConfigError` for a name that does not exist (with the nearest that does), a table that Productive
    has no list of, for skipping `id`, and for hashing what must stay as it is or is not synced.
    """
    only, add, skip = (
        [_table(catalog, rules, f"tables.{key}", name) for name in getattr(rules, key)]
        for key in ("only", "add", "skip")
    )
    wanted = set(only) or {table.name for table in catalog.default_tables()}
    wanted |= set(add)
    wanted -= set(skip)
    for name in rules.history:
        if name != "*":
            _table(catalog, rules, "tables.history", name)
    chosen = _ChosenColumns(catalog, rules, hasher)
    if not wanted:
        raise ConfigError("no table is selected", advice="Leave at least one table out of `skip`.")
    for name in wanted:
        if not catalog[name].listable:
            key = "tables.only" if name in only else "tables.add"
            raise ConfigError(
                f"{rules.at(key, name)}{name!r} cannot be synced: Productive's API has no list of it",
                advice="Take it out of `tables`.",
            )
    return {
        name: SelectedTable(table, chosen.of(table), rules.revisions.get(name, 0))
        for name, table in catalog.items()
        if name in wanted
    }


def _table(catalog: Catalog, rules: SelectionRules, key: str, name: str, table: str | None = None) -> str:
    """The name of the table if there is one; `name` is what was written for `key`."""
    try:
        return catalog.table(name if table is None else table).name
    except ConfigError as error:
        raise ConfigError(f"{rules.at(key, name)}{error.message}", advice=error.advice) from None


class _ChosenColumns:
    """The rules about columns, every name checked, by `table.column`."""

    def __init__(self, catalog: Catalog, rules: SelectionRules, hasher: ColumnHasher | None) -> None:
        self._hasher = hasher
        self._named = {*dict(_columns(catalog, rules, "add")), *rules.named_columns}
        self._unwanted = rules.unwanted_columns
        self._skipped = dict(_columns(catalog, rules, "skip"))
        self._hashed = dict(_columns(catalog, rules, "hash"))
        for name, column in self._skipped.items():
            if column.kind == "id":
                raise ConfigError(
                    f"{rules.at('columns.skip', name)}{name} cannot be left out",
                    advice="Every row is found by its id.",
                )
        for name, column in self._hashed.items():
            table = catalog[name.partition(".")[0]]
            problem = self._hash_problem(table, column, name)
            if problem:
                raise ConfigError(f"{rules.at('columns.hash', name)}{problem[0]}", advice=problem[1])

    def of(self, table: Table) -> tuple[Column, ...]:
        """The table's columns that are synced."""
        return tuple(
            hashed(column, self._hasher) if f"{table.name}.{column.name}" in self._hashed else column
            for column in table.columns
            if f"{table.name}.{column.name}" not in self._unwanted
            and (not column.secret or f"{table.name}.{column.name}" in self._named)
        )

    def _hash_problem(self, table: Table, column: Column, name: str) -> tuple[str, str] | None:
        """Why this column cannot be hashed and what to do instead; None when it can."""
        if column.kind != "attribute" or column.references:
            return (
                f"{name} cannot be hashed: rows are found and joined by their ids",
                "Ids tell nothing about a person by themselves: hash or skip the columns that do.",
            )
        if column.field == table.change_column:
            return (
                f"{name} cannot be hashed: `_changed_at` holds the same time, by which versions are compared",
                "Take it out of `hash`.",
            )
        if name in self._skipped:
            return f"{name} is in `hash` and in `skip`", "Take it out of one of them."
        if column.secret and name not in self._named:
            return (
                f"{name} holds credentials and is not synced, so there is nothing to hash",
                "Take it out of `hash`, or name it in `add` as well.",
            )
        return None


def _columns(catalog: Catalog, rules: SelectionRules, what: str) -> Iterator[tuple[str, Column]]:
    key = f"columns.{what}"
    for name in getattr(rules, f"{what}_columns"):
        table_name, dot, column_name = name.partition(".")
        if not dot:
            raise ConfigError(
                f"{rules.at(key, name)}{name!r} does not name a column",
                advice="Write it as table.column, like deals.name.",
            )
        table = catalog[_table(catalog, rules, key, name, table_name)]
        columns = {column.name: column for column in table.columns}
        if column_name not in columns:
            near = difflib.get_close_matches(column_name, columns, n=1)
            hint = f"Did you mean {table_name}.{near[0]}? " if near else ""
            raise ConfigError(
                f"{rules.at(key, name)}the table {table_name!r} has no column {column_name!r}",
                advice=f"{hint}`productive-ingest tables show {table_name}` lists them.",
            )
        yield name, columns[column_name]
