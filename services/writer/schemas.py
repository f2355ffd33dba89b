"""Which columns each table has on the writer's side, which is the only one that creates and alters tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from shared.catalog import Catalog
from shared.catalog.selection import SelectedTable, SelectionRules, select
from shared.errors import RecordError
from shared.record import OwnColumn, Record
from shared.record.values import json_text
from shared.warehouse.port import TableSchema

_OWN = frozenset(OwnColumn)


class Schemas:
    """Schemas by table: the selected columns, and those that a batch brings and the catalog knows.

    A crawler with a wider selection (or a newer one, run by somebody else) therefore widens the table
    instead of losing what it brings; a column that not even the catalog knows is kept in `_unparsed`.
    """

    def __init__(self, catalog: Catalog, selected: Mapping[str, SelectedTable]) -> None:
        self._catalog = catalog
        self._schemas = {
            name: TableSchema(name, selected_table.typed_columns) for name, selected_table in selected.items()
        }

    def selected(self) -> Sequence[TableSchema]:
        """Those that shall exist with or without a record: queries join empty tables, too."""
        return tuple(self._schemas.values())

    def schema_for(self, table: str, columns: Iterable[str]) -> TableSchema:
        """The table's schema, widened by those of `columns` that the catalog knows.

        `RecordError` for a table that is not in the catalog.
        """
        if table not in self._catalog:
            raise RecordError(f"there is no table {table!r} in this version's catalog")
        schema = self._schemas.get(table) or self._default(table)
        missing = set(columns) - {name for name, _ in schema.columns} - _OWN
        if missing:
            known = tuple((c.name, c.type) for c in self._catalog[table].columns if c.name in missing)
            schema = TableSchema(table, schema.columns + known)
        self._schemas[table] = schema
        return schema

    def _default(self, table: str) -> TableSchema:
        return TableSchema(table, select(self._catalog, SelectionRules(only=(table,)))[table].typed_columns)


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
