"""Taking data out of the file for good, with everything that remembers it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pyarrow as pa

from shared.errors import ConfigError, StorageError
from shared.warehouse.duckdb import history_sql, sql
from shared.warehouse.duckdb.engine import Cursor
from shared.warehouse.duckdb.execute import execute, transaction
from shared.warehouse.duckdb.history import drop_history, forget_column, has_history
from shared.warehouse.duckdb.tables import columns_of, is_ours
from shared.warehouse.port import OWN_COLUMNS

_ROWS_AT_ONCE = 2_000
_NEEDED = frozenset({"id", *(name for name, _ in (*OWN_COLUMNS, *sql.VERSION_COLUMNS))})


def purge_rows(cursor: Cursor, table: str, ids: Sequence[str]) -> int:
    """See `Warehouse.purge_rows`."""
    if not ids:
        return 0
    cursor.register("purged", pa.table({"id": pa.array(ids, pa.string())}))
    removed = 0
    with transaction(cursor):
        if is_ours(columns_of(cursor, table)):
            [(removed,)] = execute(cursor, sql.purge_rows(f"main.{sql.quote(table)}"))
        if has_history(cursor, table):
            execute(cursor, sql.purge_rows(history_sql.log(table)))
        execute(cursor, sql.PURGE_TOMBSTONES, [table])
    return removed


def purge_column(cursor: Cursor, table: str, column: str) -> bool:
    """See `Warehouse.purge_column`."""
    if column in _NEEDED:
        raise ConfigError(
            f"the column `{table}.{column}` cannot be removed: every table needs it",
            advice="Name a column of Productive's data, or remove the whole table.",
        )
    with transaction(cursor):
        columns = columns_of(cursor, table)
        if not is_ours(columns):
            return False
        # A value that did not fit its column is kept beside it, under the column's name.
        found = _purge_unparsed(cursor, f"main.{sql.quote(table)}", column)
        if column in columns:
            found = True
            execute(cursor, sql.drop_column(table, column))
        if has_history(cursor, table):
            found = _purge_unparsed(cursor, history_sql.log(table), column) or found
            forget_column(cursor, table, column)
    return found


def purge_table(cursor: Cursor, table: str) -> bool:
    """See `Warehouse.purge_table`."""
    with transaction(cursor):
        execute(cursor, sql.PURGE_ALL_TOMBSTONES, [table])
        columns = columns_of(cursor, table)
        if not columns:
            return False
        if not is_ours(columns):
            raise StorageError(
                f"the table `{table}` in the warehouse was not made by productive-ingest",
                advice="It is left alone; drop it by hand if nobody needs it.",
            )
        execute(cursor, sql.drop_table(table))
        if has_history(cursor, table):
            drop_history(cursor, table)
    return True


def _purge_unparsed(cursor: Cursor, relation: str, column: str) -> bool:
    found = False
    while rows := execute(cursor, sql.select_unparsed(relation, _ROWS_AT_ONCE), [column]):
        found = True
        cleaned = {
            sql.ROW: pa.array([row for row, _ in rows], pa.int64()),
            "_unparsed": pa.array([_without(text, column) for _, text in rows], pa.string()),
        }
        cursor.register("cleaned", pa.table(cleaned))
        execute(cursor, sql.update_unparsed(relation))
    return found


def _without(text: str, column: str) -> str | None:
    # The other values stay to the character: numbers may have more digits than a parser keeps.
    kept = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    kept.pop(column, None)
    return msgspec.json.encode(kept).decode() if kept else None
