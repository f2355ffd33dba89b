"""What is read back from the tables: ids, versions, whole rows, and the ids of rows that hold a value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from shared.catalog.model import ColumnType
from shared.record.model import OwnColumn, Value
from shared.warehouse.duckdb import sql
from shared.warehouse.duckdb.engine import Cursor
from shared.warehouse.duckdb.execute import execute
from shared.warehouse.duckdb.tables import columns_of, selectable
from shared.warehouse.port import TableSchema

_UNPARSED = (OwnColumn.UNPARSED.value, ColumnType.JSON)
_NO_TIME_IS_LATER = 2**63 - 1
_NO_VERSIONS = pa.table({name: [] for name in ("id", sql.VERSION_CHANGED, sql.VERSION_OBSERVED)})


def ids_after(cursor: Cursor, *, table: str, last: str | None) -> Any:
    """The page of ids after `last`, as an Arrow array."""
    if "id" not in columns_of(cursor, table):
        return pa.array([], pa.string())
    if last is None:
        relation = cursor.sql(sql.select_first_ids(table))
    else:
        relation = cursor.sql(sql.select_ids(table), params=[last])
    return relation.to_arrow_table()["id"]


def versions_after(cursor: Cursor, *, table: str, last: str | None, before_us: int | None) -> Any:
    """The page of ids with their versions after `last`, as an Arrow table of three columns."""
    if sql.VERSION_CHANGED not in columns_of(cursor, table):
        return _NO_VERSIONS
    parameters = [last is None, last or "", _NO_TIME_IS_LATER if before_us is None else before_us]
    return cursor.sql(sql.select_versions(table), params=parameters).to_arrow_table()


def tombstones_after(cursor: Cursor, *, table: str, last: str | None, before_us: int | None) -> Any:
    """The page of deletions after `last`, in the form of `versions_after`."""
    [(made,)] = execute(cursor, sql.HAS_BOOKKEEPING)
    if not made:
        return _NO_VERSIONS
    parameters = [table, last is None, last or "", _NO_TIME_IS_LATER if before_us is None else before_us]
    return cursor.sql(sql.SELECT_TOMBSTONES, params=parameters).to_arrow_table()


def ids_matching(cursor: Cursor, table: str, column: str, values: Sequence[str]) -> Sequence[str]:
    """See `Warehouse.matching`."""
    type_ = columns_of(cursor, table).get(column)
    if type_ not in (ColumnType.STRING, ColumnType.STRING_ARRAY) or not values:
        return ()
    cursor.register("wanted", pa.table({"value": pa.array(values, pa.string())}))
    statement = sql.select_matching(table, column, listed=type_ == ColumnType.STRING_ARRAY)
    found: list[str] = cursor.sql(statement).to_arrow_table()["id"].to_pylist()
    return found


def fetch(cursor: Cursor, schema: TableSchema, ids: Sequence[str]) -> dict[str, dict[str, Value]]:
    """See `Warehouse.fetch`."""
    columns = selectable(cursor, schema, _UNPARSED)
    if not columns or not ids:
        return {}
    cursor.register("wanted", pa.table({"id": pa.array(ids, pa.string())}))
    rows = cursor.sql(sql.select_travelling(schema.name, columns)).to_arrow_table().to_pylist()
    return {row["id"]: {name: value for name, value in row.items() if value is not None} for row in rows}
