"""Which columns each table has on the writer's side, which is the only one that creates and alters tables."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import NamedTuple

import msgspec

from services.writer.notes import notes_of
from services.writer.private import private_columns
from shared.catalog import Catalog, ColumnType
from shared.catalog.selection import SelectedTable, SelectionRules, select
from shared.clock import Clock, SystemClock
from shared.errors import RecordError
from shared.record import OwnColumn, Record
from shared.record.values import json_text
from shared.warehouse.port import Row, TableSchema

_OWN = frozenset(OwnColumn)
_RELOAD_SECONDS = 5.0


class Chosen(NamedTuple):
    """What is synced: the catalog, the selected tables, and the rules they came from."""

    catalog: Catalog
    tables: Mapping[str, SelectedTable]
    rules: SelectionRules


class Schemas:
    """Schemas by table: the selected columns, and those that a batch brings and the catalog knows.

    A crawler with a wider selection (or a newer one, run by somebody else) therefore widens the table
    instead of losing what it brings. A column that not even the catalog knows may have been added since
    we started: `reload` gives what is chosen now, and is asked now and again at the most. One that is
    still unknown then is kept in `_unparsed`.

    What this writer's rules keep out of the tables it keeps out of them whoever brings it, such as a
    message that was published before the rule was made.
    """

    def __init__(
        self,
        catalog: Catalog,
        selected: Mapping[str, SelectedTable],
        rules: SelectionRules | None = None,
        *,
        clock: Clock | None = None,
        reload: Callable[[], Awaitable[Chosen]] | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._reload = reload
        self._reloaded_at = float("-inf")
        self._schemas: dict[str, TableSchema] = {}
        self._take(Chosen(catalog, selected, rules or SelectionRules()))

    def selected(self) -> Sequence[TableSchema]:
        """Those that shall exist with or without a record: queries join empty tables, too."""
        return tuple(self._schemas[name] for name in self._chosen.tables)

    def keeps_history(self, table: str) -> bool:
        """Whether every version of this table's records is to be written, also the older ones."""
        return self._chosen.rules.keeps_history(table)

    async def fitted(self, table: str, rows: Sequence[Row]) -> tuple[TableSchema, Sequence[Row]]:
        """The table's schema, widened as said above, and the rows without what it has no column for.

        A row may lack columns: they are NULL. `RecordError` for a table that is not in the catalog.
        """
        columns = set[str]().union(*(row.record.data for row in rows))
        if not self._knows(table, columns):
            await self._look_again()
        schema = self._schema_for(table, columns)
        private = self._private.get(table)
        if private is not None and private.concerns(columns):
            rows = [_with(row, private.kept(row.record)) for row in rows]
        if not columns.issubset(name for name, _ in schema.columns):
            rows = [_with(row, fit(row.record, schema)) for row in rows]
        return schema, rows

    def _take(self, chosen: Chosen) -> None:
        self._chosen = chosen
        self._types: dict[str, dict[str, ColumnType]] = {
            name: {column.name: column.type for column in table.columns}
            for name, table in chosen.catalog.items()
        }
        self._private = private_columns(chosen.rules)
        for name, private in self._private.items():
            if name in self._types:
                self._types[name] |= dict.fromkeys(private.hashed, ColumnType.STRING)
        self._schemas |= {name: self._table_schema(one) for name, one in chosen.tables.items()}

    def _knows(self, table: str, columns: Iterable[str]) -> bool:
        return table in self._types and (self._types[table].keys() | _OWN).issuperset(columns)

    async def _look_again(self) -> None:
        now = self._clock.monotonic()
        if self._reload is not None and now >= self._reloaded_at + _RELOAD_SECONDS:
            self._reloaded_at = now
            self._take(await self._reload())

    def _schema_for(self, table: str, columns: AbstractSet[str]) -> TableSchema:
        known = self._types.get(table)
        if known is None:
            raise RecordError(f"there is no table {table!r} in this version's catalog")
        schema = self._schemas.get(table) or self._default(table)
        unwanted = self._private[table].unwanted if table in self._private else frozenset()
        missing = columns - {name for name, _ in schema.columns} - unwanted
        if missing:
            more = tuple((name, type_) for name, type_ in known.items() if name in missing)
            schema = replace(schema, columns=schema.columns + more)
        self._schemas[table] = schema
        return schema

    def _default(self, table: str) -> TableSchema:
        catalog, _, rules = self._chosen
        only = replace(rules, only=(table,), add=(), skip=())
        return self._table_schema(select(catalog, only)[table])

    def _table_schema(self, selected: SelectedTable) -> TableSchema:
        name = selected.name
        notes = notes_of(selected.table, self._private[name].hashed if name in self._private else ())
        return TableSchema(name, selected.typed_columns, history=self.keeps_history(name), notes=notes)


def fit(record: Record, schema: TableSchema) -> Record:
    """The record with the values that no column takes moved to `_unparsed`; itself when there are none."""
    extra = record.data.keys() - {name for name, _ in schema.columns} - _OWN
    if not extra:
        return record
    kept = msgspec.json.decode(str(record.data.get(OwnColumn.UNPARSED) or "{}"), type=dict[str, msgspec.Raw])
    kept |= {name: msgspec.Raw(json_text(record.data[name]).encode()) for name in extra}
    data = {name: value for name, value in record.data.items() if name not in extra}
    data[OwnColumn.UNPARSED] = msgspec.json.encode(kept).decode()
    return msgspec.structs.replace(record, data=data)


def _with(row: Row, record: Record) -> Row:
    return Row(record, row.source, row.run_id)
