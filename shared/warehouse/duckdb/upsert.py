"""One write: the newest state per id, only where it beats what is stored, in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from shared.catalog.model import ColumnType
from shared.warehouse.duckdb import sql
from shared.warehouse.duckdb.arrow import encode
from shared.warehouse.duckdb.execute import execute, transaction
from shared.warehouse.duckdb.history import keep
from shared.warehouse.port import RefusedRow, Row, TableSchema, WriteOutcome


class _Known(NamedTuple):
    """What is stored of an incoming id; `row` is its place in the table, None for a tombstone."""

    position: int
    stale: bool
    row: int | None


def upsert(cursor: duckdb.DuckDBPyConnection, schema: TableSchema, rows: Sequence[Row]) -> WriteOutcome:
    """Apply rows as `Warehouse.write` says; a row that lost to another one of the same write is stale.

    The deletion of an id that the table never had counts as applied: it is remembered.
    """
    encoded = encode(schema, rows)
    malformed = _malformed(cursor, schema, encoded.table)
    refused = tuple(sorted((*encoded.refused, *malformed), key=lambda row: row.index))
    unfit = {row.index for row in refused}
    newest = _newest_per_id(rows, unfit)
    batch = _only(encoded.table, newest)
    applied = 0
    if batch.num_rows:
        with transaction(cursor):
            applied = _apply(cursor, schema, batch)
            if schema.history:
                # Also what lost: it was once so.
                keep(cursor, schema, _only(encoded.table, set(range(len(rows))) - unfit))
    return WriteOutcome(applied=applied, stale=len(rows) - applied - len(refused), refused=refused)


def _malformed(cursor: duckdb.DuckDBPyConnection, schema: TableSchema, batch: Any) -> list[RefusedRow]:
    # DuckDB parses JSON when it is inserted, and one text that is none fails the whole statement.
    columns = [
        name
        for name, type_ in sql.stored_columns(schema)
        if type_ is ColumnType.JSON and batch[name].null_count < batch.num_rows
    ]
    if not columns:
        return []
    cursor.register("incoming", batch.select([sql.POSITION, *columns]))
    found = execute(cursor, sql.select_malformed(columns))
    return [RefusedRow(position, f"column `{name}` holds text that is not JSON") for position, name in found]


def _newest_per_id(rows: Sequence[Row], without: Collection[int]) -> Collection[int]:
    newest: dict[str, int] = {}
    for position, row in enumerate(rows):
        if position in without:
            continue
        best = newest.setdefault(row.record.id, position)
        if best != position and row.record.version > rows[best].record.version:
            newest[row.record.id] = position
    return set(newest.values())


def _only(batch: Any, positions: Collection[int]) -> Any:
    if len(positions) == batch.num_rows:
        return batch
    return batch.filter(pa.array([position in positions for position in batch[sql.POSITION].to_pylist()]))


def _apply(cursor: duckdb.DuckDBPyConnection, schema: TableSchema, batch: Any) -> int:
    cursor.register("keys", batch.select([sql.POSITION, "id", sql.VERSION_CHANGED, sql.VERSION_OBSERVED]))
    found = execute(cursor, sql.select_known(schema.name), [schema.name])
    known = [_Known(*row) for row in found]
    stale = {row.position for row in known if row.stale}
    beaten = [row for row in known if row.position not in stale]
    fresh = _only(batch, set(batch[sql.POSITION].to_pylist()) - stale) if stale else batch

    old = [row.row for row in beaten if row.row is not None]
    if old:
        cursor.register("old", pa.table({sql.ROW: pa.array(old, pa.int64())}))
        execute(cursor, sql.delete_rows(schema.name))
    if len(old) < len(beaten):
        buried = _only(batch, {row.position for row in beaten if row.row is None})
        cursor.register("buried", buried.select(["id"]))
        execute(cursor, sql.DELETE_TOMBSTONES, [schema.name])
    _insert(cursor, schema, fresh)
    return int(fresh.num_rows)


def _insert(cursor: duckdb.DuckDBPyConnection, schema: TableSchema, fresh: Any) -> None:
    gone = fresh.filter(fresh[sql.GONE])
    if gone.num_rows:
        cursor.register("gone", gone.select(["id", sql.VERSION_CHANGED, sql.VERSION_OBSERVED]))
        execute(cursor, sql.INSERT_TOMBSTONES, [schema.name])
        fresh = fresh.filter(pc.invert(fresh[sql.GONE]))
    if fresh.num_rows:
        cursor.register("fresh", fresh)
        execute(cursor, sql.insert_rows(schema))
