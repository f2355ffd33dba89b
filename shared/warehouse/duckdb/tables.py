"""What tables there are in the file, and making them what a schema asks for."""

from __future__ import annotations

from collections.abc import Container

import duckdb

from shared.catalog.model import ColumnType
from shared.errors import StorageError
from shared.warehouse.duckdb import sql
from shared.warehouse.duckdb.execute import execute, transaction
from shared.warehouse.duckdb.history import ensure_history
from shared.warehouse.port import SchemaChange, TableSchema, TableState

_VERSION_NAMES = frozenset(name for name, _ in sql.VERSION_COLUMNS)


def columns_of(cursor: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    """The columns of a table and their types in the catalog's words, or in DuckDB's if it has none.

    Empty when there is no such table.
    """
    found = execute(cursor, sql.SELECT_COLUMNS, [table])
    return {name: str(sql.LISTED_TYPES.get(type_, type_)) for name, type_ in found}


def is_ours(columns: Container[str]) -> bool:
    """Whether a table with these columns is one that this package made."""
    return all(name in columns for name in ("id", *_VERSION_NAMES))


def ensure(cursor: duckdb.DuckDBPyConnection, schema: TableSchema) -> SchemaChange:
    """Create the table, or add the columns it lacks; `StorageError` when it is another table altogether."""
    with transaction(cursor):
        present = columns_of(cursor, schema.name)
        if not present:
            execute(cursor, sql.create_table(schema))
        else:
            _check(schema, present)
        columns = sql.stored_columns(schema) if present else ()
        added = [(name, type_) for name, type_ in columns if name not in present]
        for name, type_ in added:
            execute(cursor, sql.add_column(schema.name, name, type_))
        if schema.history:
            ensure_history(cursor, schema.name)
        return SchemaChange(created=not present, added=tuple(name for name, _ in added))


def _check(schema: TableSchema, present: dict[str, str]) -> None:
    if not is_ours(present):
        raise StorageError(
            f"the table `{schema.name}` in the warehouse was not made by productive-ingest",
            advice="Rename it; the table that is needed will then be made.",
        )
    for name, type_ in sql.stored_columns(schema):
        if present.get(name, type_) != type_:
            raise StorageError(
                f"the column `{schema.name}.{name}` is {present[name]} in the warehouse, and not {type_}",
                advice=f"`productive-ingest schema drop {schema.name}.{name}` removes it with what is in it, "
                f"`schema add {schema.name}.{name}` takes it in again, and the next `backfill` fills it.",
            )


def state_of(cursor: duckdb.DuckDBPyConnection, table: str) -> TableState | None:
    """How a table of ours is; None when there is none."""
    columns = columns_of(cursor, table)
    if not is_ours(columns):
        return None
    [(rows, synced, changed, unparsed)] = execute(cursor, sql.select_state(table))
    return TableState(
        rows=rows,
        last_synced_us=synced,
        last_changed_us=changed,
        unparsed_rows=unparsed,
        columns={name: type_ for name, type_ in columns.items() if name not in _VERSION_NAMES},
    )


def selectable(
    cursor: duckdb.DuckDBPyConnection, schema: TableSchema, *extra: tuple[str, ColumnType]
) -> list[tuple[str, ColumnType]]:
    """Those of the schema's columns, and the extra ones, that the table has."""
    present = columns_of(cursor, schema.name)
    return [column for column in (*schema.columns, *extra) if column[0] in present]
