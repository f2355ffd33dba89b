"""Keeping every version of the records of a table; see `history_sql` for how they lie in the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa

from shared.catalog.model import ColumnType
from shared.errors import StorageError
from shared.warehouse.duckdb import history_sql, sql
from shared.warehouse.duckdb.execute import execute
from shared.warehouse.port import TableSchema

# Older versions than this arrive only from dead letters; they are put where what is left says they belong.
REPEATS_KEPT_US = 7 * 24 * 3_600 * 1_000_000


class Incoming(NamedTuple):
    """A version that arrives; `hash` is that of its state, None for a deletion."""

    position: int
    id: str
    changed_us: int
    observed_us: int
    hash: int | None


class Point(NamedTuple):
    """A version in the log, and where it lies there."""

    row: int
    id: str
    changed_us: int
    observed_us: int
    op: str
    hash: int | None


@dataclass
class Plan:
    """What a write adds to the log: positions with op and hash; and the places that it gives up."""

    whole: list[tuple[int, str, int | None]] = field(default_factory=list)
    repeats: list[tuple[int, str, int | None]] = field(default_factory=list)
    obsolete: list[int] = field(default_factory=list)


def plan(incoming: Sequence[Incoming], points: Sequence[Point]) -> Plan:
    """Add each version once, and the state of it once; give up what says nothing any more.

    A version between two others of the same state says nothing unless another one arrives late and
    belongs next to it. Those older than `REPEATS_KEPT_US` are given up, so that a record that is read
    every day and never changes does not fill the log.
    """
    result = Plan()
    seen = {(point.id, point.changed_us, point.observed_us) for point in points}
    states = {(point.id, point.hash) for point in points if point.op == "upsert"}
    newest: dict[str, int] = {}
    for each in incoming:
        if (each.id, each.changed_us, each.observed_us) in seen:
            continue
        seen.add((each.id, each.changed_us, each.observed_us))
        if each.hash is None:
            result.whole.append((each.position, "delete", None))
        elif (each.id, each.hash) not in states:
            states.add((each.id, each.hash))
            result.whole.append((each.position, "upsert", each.hash))
        else:
            newest[each.id] = max(each.observed_us, newest.get(each.id, each.observed_us))
            result.repeats.append((each.position, "repeat", each.hash))
    result.obsolete = _obsolete(points, newest)
    return result


def _obsolete(points: Sequence[Point], newest: Mapping[str, int]) -> list[int]:
    found = []
    ordered = sorted(
        (point for point in points if point.id in newest),
        key=lambda point: (point.id, point.changed_us, point.observed_us),
    )
    for before, point, after in zip(ordered, ordered[1:], ordered[2:], strict=False):
        same = before.id == point.id == after.id and before.hash == point.hash == after.hash
        old = point.observed_us < newest[point.id] - REPEATS_KEPT_US
        if same and old and point.op == "repeat":
            found.append(point.row)
    return found


def keep(cursor: duckdb.DuckDBPyConnection, schema: TableSchema, batch: Any) -> bool:
    """Log the versions in an encoded batch; whether any of them is news. To be called in a transaction."""
    columns = dict(sql.stored_columns(schema))
    cursor.register("versions", batch)
    arriving = execute(cursor, history_sql.select_incoming(columns, sql.POSITION, sql.GONE))
    points = execute(cursor, history_sql.select_points(schema.name))
    todo = plan([Incoming(*row) for row in arriving], [Point(*row) for row in points])
    if todo.whole:
        cursor.register("logged", _picked(batch, todo.whole))
        execute(cursor, history_sql.insert_whole(schema.name, columns))
    if todo.repeats:
        cursor.register("logged", _picked(batch, todo.repeats))
        execute(cursor, history_sql.insert_thin(schema.name))
    if todo.obsolete:
        cursor.register("obsolete", pa.table({sql.ROW: pa.array(todo.obsolete, pa.int64())}))
        execute(cursor, history_sql.delete_points(schema.name))
    return bool(todo.whole or todo.repeats)


def _picked(batch: Any, chosen: Sequence[tuple[int, str, int | None]]) -> Any:
    places = {position: place for place, position in enumerate(batch[sql.POSITION].to_pylist())}
    positions, ops, hashes = zip(*chosen, strict=True)
    picked = batch.take(pa.array([places[position] for position in positions], pa.int64()))
    picked = picked.append_column(history_sql.OP, pa.array(ops, pa.string()))
    return picked.append_column(history_sql.HASH, pa.array(hashes, pa.uint64()))


def ensure_history(cursor: duckdb.DuckDBPyConnection, table: str) -> None:
    """Make the log and the view, or what they lack, and begin with what the table holds now.

    To be called in the transaction that made the table. `StorageError` when the view's name is taken.
    """
    present = _state_columns(cursor, sql.SELECT_COLUMNS, table)
    logged = _columns(cursor, sql.SELECT_BOOKKEEPING_COLUMNS, history_sql.log_name(table))
    if not logged:
        if _columns(cursor, sql.SELECT_COLUMNS, history_sql.view_name(table)):
            raise StorageError(
                f"`{history_sql.view_name(table)}` in the warehouse was not made by productive-ingest",
                advice=f"Rename it, or take `{table}` out of `history`.",
            )
        execute(cursor, history_sql.create_log(table))
    for name, type_ in present.items():
        if name not in logged and name != "id":
            execute(cursor, history_sql.add_log_column(table, name, type_))
    [(behind,)] = execute(cursor, history_sql.is_behind(table))
    for statement in history_sql.seed(table, present) if behind else ():
        execute(cursor, statement)
    execute(cursor, history_sql.create_view(table, present))


def has_history(cursor: duckdb.DuckDBPyConnection, table: str) -> bool:
    """Whether there is a log of the table, also one that is no longer added to."""
    return bool(_columns(cursor, sql.SELECT_BOOKKEEPING_COLUMNS, history_sql.log_name(table)))


def forget_column(cursor: duckdb.DuckDBPyConnection, table: str, column: str) -> None:
    """Take a column out of the log and the view, after it was taken out of the table."""
    if column in _columns(cursor, sql.SELECT_BOOKKEEPING_COLUMNS, history_sql.log_name(table)):
        execute(cursor, f"ALTER TABLE {history_sql.log(table)} DROP COLUMN {sql.quote(column)}")
    present = _state_columns(cursor, sql.SELECT_BOOKKEEPING_COLUMNS, history_sql.log_name(table))
    for statement in history_sql.rehash(table, present):
        execute(cursor, statement)
    execute(cursor, history_sql.create_view(table, present))


def drop_history(cursor: duckdb.DuckDBPyConnection, table: str) -> None:
    """Drop the log and the view."""
    execute(cursor, f"DROP VIEW IF EXISTS {history_sql.view(table)}")
    execute(cursor, f"DROP TABLE {history_sql.log(table)}")


def _columns(cursor: duckdb.DuckDBPyConnection, statement: str, name: str) -> Mapping[str, str]:
    return dict(execute(cursor, statement, [name]))


def _state_columns(cursor: duckdb.DuckDBPyConnection, statement: str, name: str) -> Mapping[str, ColumnType]:
    return {
        column: sql.LISTED_TYPES[type_]
        for column, type_ in _columns(cursor, statement, name).items()
        if type_ in sql.LISTED_TYPES and column not in (history_sql.OP, history_sql.HASH)
    }
