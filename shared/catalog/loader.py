"""Reads the generated catalog; see `model` for what an entry says."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources

import msgspec

from shared.catalog.model import Table
from shared.errors import ConfigError


class Catalog(Mapping[str, Table]):
    """All tables by name, in the order of the generated file."""

    def __init__(self, tables: tuple[Table, ...]) -> None:
        self._tables = {table.name: table for table in tables}
        self._by_type = {table.type: table for table in tables}

    def __getitem__(self, name: str) -> Table:
        return self._tables[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)

    def table(self, name: str) -> Table:
        """The table a person named; `ConfigError` with the nearest right name when there is none."""
        if name in self._tables:
            return self._tables[name]
        near = difflib.get_close_matches(name, self._tables, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ConfigError(
            f"there is no table {name!r}",
            advice=f"{hint}`productive-ingest tables list --all` shows all of them.",
        )

    def default_tables(self) -> tuple[Table, ...]:
        """What a person who chooses nothing gets: the core tables and `people`."""
        return tuple(table for table in self._tables.values() if table.selected_by_default)


@cache
def load_catalog() -> Catalog:
    """The catalog that ships with the package, read once."""
    text = resources.files("shared.catalog").joinpath("catalog.json").read_bytes()
    return Catalog(msgspec.json.decode(text, type=tuple[Table, ...]))
