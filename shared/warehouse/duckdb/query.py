"""Questions that people ask the warehouse in SQL: one statement, which can only read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa

from shared.errors import ConfigError
from shared.warehouse.duckdb.execute import execute
from shared.warehouse.duckdb.failures import first_line
from shared.warehouse.duckdb.stopping import Stop
from shared.warehouse.queries import QueryResult

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_READING = frozenset({duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN})
_STORE_FAILURES = (
    duckdb.IOException,
    duckdb.OutOfMemoryException,
    duckdb.FatalException,
    duckdb.InternalException,
)
_STORE_FAILED = re.compile(r"\b(IO|Out of Memory|FATAL|INTERNAL) Error")
_CHUNK = 2_048


def run_query(
    cursor: duckdb.DuckDBPyConnection,
    statement: str,
    parameters: Sequence[Any],
    max_rows: int,
    stop: Stop,
) -> QueryResult:
    """Run one reading statement; `ConfigError` when it is another one, cannot be run or takes too long."""
    try:
        with stop.watching(cursor):
            return _run(cursor, statement, parameters, max_rows)
    except duckdb.Error as error:
        if stop.expired:
            raise ConfigError(
                f"the query was stopped: it had not ended after {stop.seconds:g} seconds",
                advice="Ask for less (a WHERE, fewer tables), or give it more time.",
            ) from error
        if isinstance(error, _STORE_FAILURES):
            raise
        raise ConfigError(
            f"the query cannot be run: {first_line(str(error))}",
            advice="Queries only read, and only this warehouse: SHOW TABLES and DESCRIBE tell what there is.",
        ) from error


def _run(
    cursor: duckdb.DuckDBPyConnection, statement: str, parameters: Sequence[Any], max_rows: int
) -> QueryResult:
    statements = cursor.extract_statements(statement)
    if len(statements) != 1 or statements[0].type not in _READING:
        raise ConfigError(
            "a query is one statement that reads",
            advice="Write a single SELECT (or WITH … SELECT, FROM, DESCRIBE, SUMMARIZE, EXPLAIN).",
        )
    # The type alone says too little: WITH … may hold an INSERT and still be a SELECT.
    execute(cursor, "BEGIN TRANSACTION READ ONLY")
    return _read(cursor, statement, parameters, max_rows)


def _read(
    cursor: duckdb.DuckDBPyConnection, statement: str, parameters: Sequence[Any], max_rows: int
) -> QueryResult:
    rows: list[tuple[Any, ...]] = []
    # A reader that is left open holds the file, also after its cursor and connection were closed.
    with cursor.sql(statement, params=list(parameters) or None).to_arrow_reader(_CHUNK) as reader:
        try:
            for batch in reader:
                # By place and not by name: a join may well have two columns of one name.
                rows.extend(zip(*(_python_values(column) for column in batch.columns), strict=True))
                if len(rows) > max_rows:
                    break
        except (OSError, pa.ArrowException) as error:
            # What fails after the first rows comes through Arrow, which keeps only DuckDB's text.
            raise _as_raised_by_duckdb(str(error)) from error
        return QueryResult(list(reader.schema.names), rows[:max_rows], truncated=len(rows) > max_rows)


def _as_raised_by_duckdb(text: str) -> duckdb.Error:
    if _STORE_FAILED.search(text):
        return duckdb.IOException(text)
    return duckdb.DataError(text)


def _python_values(column: Any) -> list[Any]:
    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        # Arrow would look the zone up in a time zone database, which small systems do not have.
        microseconds = column.cast(pa.timestamp("us", tz="UTC"), safe=False).cast(pa.int64()).to_pylist()
        return [None if value is None else _moment(value) for value in microseconds]
    values: list[Any] = column.to_pylist()
    return values


def _moment(microseconds: int) -> datetime | str:
    try:
        return _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return "infinity" if microseconds > 0 else "-infinity"
