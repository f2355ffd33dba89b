"""Statements that are finished when they return, and transactions of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import duckdb


def execute(
    cursor: duckdb.DuckDBPyConnection, statement: str, parameters: Sequence[Any] | None = None
) -> list[tuple[Any, ...]]:
    """Run a statement to its end and return its rows.

    A result that nobody has read keeps its transaction open (DuckDB 2.0), and no checkpoint can be made.
    """
    return cursor.execute(statement, parameters).fetchall()


@contextmanager
def transaction(cursor: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Commit at the end of the block; undo everything if it fails."""
    execute(cursor, "BEGIN")
    try:
        yield
        execute(cursor, "COMMIT")
    except BaseException:
        _roll_back(cursor)
        raise


def _roll_back(cursor: duckdb.DuckDBPyConnection) -> None:
    try:
        execute(cursor, "ROLLBACK")
    except duckdb.Error:
        # A failed commit has ended the transaction by itself, a fatal error the whole connection.
        return
