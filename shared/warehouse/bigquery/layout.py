"""How a table of ours looks in BigQuery: columns, key, clustering, descriptions, staleness.

The version of a row is in `_changed_at` and `_synced_at`, which hold both its parts to the microsecond:
columns for it alone would be read, and paid for, twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from google.cloud import bigquery
from google.cloud.bigquery.table import PrimaryKey, TableConstraints

from shared.catalog.model import ColumnType
from shared.record.model import OwnColumn
from shared.warehouse.bigquery.rest import LABELS
from shared.warehouse.port import OWN_COLUMNS, TableSchema

KEY: Final = "id"
Columns = tuple[tuple[str, ColumnType], ...]

_LONGEST_TABLE_TEXT, _LONGEST_COLUMN_TEXT = 16_384, 1_024
_OLD_NAMES: Final = {"INTEGER": "INT64", "BOOLEAN": "BOOL", "FLOAT": "FLOAT64"}
_INTERVAL: Final = re.compile(r"(-?\d+)-(\d+) (-?\d+) (-?\d+):(\d+):(\d+)(?:\.\d+)?")
_OWN_NOTES: Final[Mapping[str, str]] = {
    OwnColumn.SYNCED_AT: "When Productive was asked for what is in the row.",
    OwnColumn.CHANGED_AT: "When that state came to be, by Productive; else when it was asked.",
    OwnColumn.SOURCE: "Who brought the row: backfill, webhook or deletion.",
    OwnColumn.RUN_ID: "The run that brought the row.",
    OwnColumn.UNPARSED: "Values that did not fit their column, as they came, by column; NULL when all did.",
}


@dataclass(frozen=True)
class Facts:
    """What BigQuery has under a name."""

    columns: Mapping[str, str]
    """Types in the catalog's words, or in BigQuery's where it has none."""
    is_table: bool
    key: tuple[str, ...]
    staleness_minutes: float
    native: bigquery.Table

    @property
    def is_ours(self) -> bool:
        """Whether this package made it: it has the key and the columns that rows need."""
        return self.is_table and self.key == (KEY,) and all(name in self.columns for name, _ in OWN_COLUMNS)


def known_columns(columns: Mapping[str, str]) -> dict[str, ColumnType]:
    """Those of a table's columns that have one of our types; somebody may have added others."""
    ours = {type_.value: type_ for type_ in ColumnType}
    return {name: ours[type_] for name, type_ in columns.items() if type_ in ours}


def stored_columns(schema: TableSchema) -> Columns:
    """All columns of a table: the schema's and our own."""
    return (*schema.columns, *OWN_COLUMNS)


def facts_of(table: bigquery.Table) -> Facts:
    """What the answer of the API says."""
    constraints = table.table_constraints
    key = constraints.primary_key.columns if constraints and constraints.primary_key else ()
    return Facts(
        columns={field.name: _type_of(field) for field in table.schema},
        is_table=table.table_type == "TABLE",
        key=tuple(key),
        staleness_minutes=minutes_of(table.max_staleness),
        native=table,
    )


def table_for(
    name: str,
    columns: Columns,
    *,
    staleness_minutes: int,
    description: str = "",
    notes: Mapping[str, str] = _OWN_NOTES,
    cluster: str = KEY,
) -> bigquery.Table:
    """A table to be made, keyed by `id`."""
    table = bigquery.Table(name, schema=[field_for(column, type_, notes) for column, type_ in columns])
    table.table_constraints = TableConstraints(primary_key=PrimaryKey(columns=[KEY]), foreign_keys=None)
    table.clustering_fields = [cluster]
    table.labels = dict(LABELS)
    if staleness_minutes:
        table.max_staleness = interval_of(staleness_minutes)
    if description:
        table.description = description[:_LONGEST_TABLE_TEXT]
    return table


def notes_of(schema: TableSchema) -> Mapping[str, str]:
    """The descriptions of all columns."""
    return {**schema.notes.columns, **_OWN_NOTES}


def field_for(name: str, type_: ColumnType, notes: Mapping[str, str]) -> bigquery.SchemaField:
    """One column to be made; only the key is ever required."""
    mode = "REQUIRED" if name == KEY else "NULLABLE"
    if type_ is ColumnType.STRING_ARRAY:
        type_, mode = ColumnType.STRING, "REPEATED"
    described: dict[str, Any] = {}
    if notes.get(name):
        described["description"] = notes[name][:_LONGEST_COLUMN_TEXT]
    return bigquery.SchemaField(name, type_.value, mode=mode, **described)


def described(field: bigquery.SchemaField, notes: Mapping[str, str]) -> bigquery.SchemaField:
    """The column with its note; itself when there is none, or it has it."""
    note = notes.get(field.name, "")[:_LONGEST_COLUMN_TEXT]
    if not note or field.description == note:
        return field
    return bigquery.SchemaField.from_api_repr({**field.to_api_repr(), "description": note})


def interval_of(minutes: int) -> str:
    """Minutes as the API writes an interval: `years-months days hours:minutes:seconds`."""
    return f"0-0 0 {minutes // 60}:{minutes % 60}:0"


def minutes_of(interval: str | None) -> float:
    """An interval of the API in minutes; 0 for none, and for what cannot be read."""
    match = _INTERVAL.fullmatch(interval or "")
    if match is None:
        return 0.0
    years, months, days, hours, minutes, seconds = (int(part) for part in match.groups())
    return ((years * 12 + months) * 30 + days) * 1_440.0 + hours * 60 + minutes + seconds / 60


def _type_of(field: bigquery.SchemaField) -> str:
    name = _OLD_NAMES.get(field.field_type, field.field_type)
    return f"ARRAY<{name}>" if field.mode == "REPEATED" else str(name)
