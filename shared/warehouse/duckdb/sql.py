# ruff: noqa: S608  Only our own names and catalog names, quoted, are put into statements; values are not.
"""The statements that the embedded warehouse runs, as functions from names to text.

Tables lie in schema `main` under their catalog names. What only we need is in `BOOKKEEPING`, so that
`SHOW TABLES` shows data and nothing else. Identifiers are always quoted: there is a table `filters`,
and columns are named `default`, `order` or `time`.

There is no primary key: its index slows updates down by an order of magnitude once a table is large,
and `ON CONFLICT` keeps the first of two rows of one batch, whatever their versions (both measured with
DuckDB 2.0). `upsert` keeps the ids unique; there is only one writer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from shared.catalog.model import ColumnType
from shared.catalog.types import DUCKDB_TYPES
from shared.warehouse.port import OWN_COLUMNS, TableSchema

BOOKKEEPING = "productive_ingest"
FORMAT = 1

VERSION_CHANGED = "_version_changed"
VERSION_OBSERVED = "_version_observed"
VERSION_COLUMNS: tuple[tuple[str, ColumnType], ...] = (
    (VERSION_CHANGED, ColumnType.INT64),
    (VERSION_OBSERVED, ColumnType.INT64),
)

POSITION = "_position"
GONE = "_gone"
ROW = "_row"

ROW_GROUP = 16_384

USE = "USE warehouse"

# Queries come from people too: no other files, no downloads, no look into our variables.
CONFINE = (
    "SET GLOBAL TimeZone = 'UTC'",
    "SET GLOBAL enable_external_access = false",
    "SET GLOBAL lock_configuration = true",
)

CREATE_BOOKKEEPING = f"""
BEGIN;
CREATE SCHEMA IF NOT EXISTS {BOOKKEEPING};
CREATE TABLE IF NOT EXISTS {BOOKKEEPING}.format (version INTEGER NOT NULL);
INSERT INTO {BOOKKEEPING}.format
    SELECT {FORMAT} WHERE NOT EXISTS (SELECT 1 FROM {BOOKKEEPING}.format);
CREATE TABLE IF NOT EXISTS {BOOKKEEPING}.tombstones (
    table_name VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    version_changed BIGINT NOT NULL,
    version_observed BIGINT NOT NULL
);
COMMIT;
"""

HAS_BOOKKEEPING = f"""
SELECT count(*) FROM duckdb_tables()
WHERE database_name = current_database() AND schema_name = '{BOOKKEEPING}' AND table_name = 'format'
"""

SELECT_FORMAT = f"SELECT max(version) FROM {BOOKKEEPING}.format"

SELECT_COLUMNS = """
SELECT column_name, data_type FROM duckdb_columns()
WHERE database_name = current_database() AND schema_name = 'main' AND table_name = ?
ORDER BY column_index
"""


SELECT_BOOKKEEPING_COLUMNS = SELECT_COLUMNS.replace("'main'", f"'{BOOKKEEPING}'")

# DuckDB lists some types under another name than the one they were made with.
_LISTED_AS = {"TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE"}
LISTED_TYPES = {_LISTED_AS.get(name, name): type_ for type_, name in DUCKDB_TYPES.items()}


def quote(name: str) -> str:
    """An identifier, quoted."""
    return '"' + name.replace('"', '""') + '"'


def attach(path: Path, *, read_only: bool, new: bool = False) -> str:
    """Open the file, or create it, under the name that `USE` uses.

    A new file gets a storage version that DuckDB 1.4 and later read (2.0.0 by itself writes one, 999, that
    only it can read); an existing file keeps its own. Row groups are an eighth of the usual size: an
    update rewrites whole groups at the next checkpoint, which then takes a third of the time and leaves a
    smaller file (measured).
    """
    # Without a type DuckDB looks into the file, and wants an extension for one of SQLite.
    options = ["TYPE duckdb", "READ_ONLY" if read_only else f"ROW_GROUP_SIZE {ROW_GROUP}"]
    if new:
        options.append("STORAGE_VERSION 'v1.4.0'")
    return f"ATTACH {_literal(str(path))} AS warehouse ({', '.join(options)})"


def stored_columns(schema: TableSchema) -> tuple[tuple[str, ColumnType], ...]:
    """All columns that a table has here: the schema's, our own, and the version."""
    return (*schema.columns, *OWN_COLUMNS, *VERSION_COLUMNS)


def create_table(schema: TableSchema) -> str:
    """Make the table with all its columns; only the id is ever required."""
    columns = ", ".join(
        f"{quote(name)} {DUCKDB_TYPES[type_]}{' NOT NULL' if name == 'id' else ''}"
        for name, type_ in stored_columns(schema)
    )
    return f"CREATE TABLE main.{quote(schema.name)} ({columns})"


def add_column(table: str, name: str, type_: ColumnType) -> str:
    """Add one column, NULL in every row."""
    return f"ALTER TABLE main.{quote(table)} ADD COLUMN {quote(name)} {DUCKDB_TYPES[type_]}"


def select_known(table: str) -> str:
    """What is stored of the ids in `keys`: position, whether it is as new or newer, and where it lies.

    The row is the rowid in the table, NULL for a tombstone. One parameter: the table's name.
    """
    return f"""
    SELECT k.{POSITION},
           t.{VERSION_CHANGED} > k.{VERSION_CHANGED}
               OR (t.{VERSION_CHANGED} = k.{VERSION_CHANGED}
                   AND t.{VERSION_OBSERVED} >= k.{VERSION_OBSERVED}) AS stale,
           t.rowid AS {ROW}
    FROM keys k JOIN main.{quote(table)} t ON t.id = k.id
    UNION ALL
    SELECT k.{POSITION},
           g.version_changed > k.{VERSION_CHANGED}
               OR (g.version_changed = k.{VERSION_CHANGED}
                   AND g.version_observed >= k.{VERSION_OBSERVED}),
           NULL
    FROM keys k JOIN {BOOKKEEPING}.tombstones g ON g.table_name = ? AND g.id = k.id
    """


def select_malformed(columns: Sequence[str]) -> str:
    """Positions in `incoming` with the JSON columns that hold text which is not JSON."""
    tests = [f"NOT json_valid({quote(name)})" for name in columns]
    names = ", ".join(
        f"CASE WHEN {test} THEN {_literal(name)} END" for test, name in zip(tests, columns, strict=True)
    )
    return f"SELECT {POSITION}, coalesce({names}) AS culprit FROM incoming WHERE {' OR '.join(tests)}"


def delete_rows(table: str) -> str:
    """Delete the rows whose places are in `old`."""
    return f"DELETE FROM main.{quote(table)} WHERE rowid IN (SELECT {ROW} FROM old)"


def insert_rows(schema: TableSchema) -> str:
    """Insert all of `fresh`."""
    names = ", ".join(quote(name) for name, _ in stored_columns(schema))
    return f"INSERT INTO main.{quote(schema.name)} ({names}) SELECT {names} FROM fresh"


DELETE_TOMBSTONES = f"""
DELETE FROM {BOOKKEEPING}.tombstones WHERE table_name = ? AND id IN (SELECT id FROM buried)
"""

INSERT_TOMBSTONES = f"""
INSERT INTO {BOOKKEEPING}.tombstones
SELECT ?, id, {VERSION_CHANGED}, {VERSION_OBSERVED} FROM gone
"""

# A page of ids is found by the order of ids and not by place: places move when the file is tidied up.
SELECT_IDS_LIMIT = 100_000


def select_ids(table: str) -> str:
    """The next ids after a given one (parameter), in order, at most `SELECT_IDS_LIMIT`."""
    return f"SELECT id FROM main.{quote(table)} WHERE id > ? ORDER BY id LIMIT {SELECT_IDS_LIMIT}"


def select_first_ids(table: str) -> str:
    """The first ids, in order, at most `SELECT_IDS_LIMIT`."""
    return f"SELECT id FROM main.{quote(table)} ORDER BY id LIMIT {SELECT_IDS_LIMIT}"


def select_versions(table: str) -> str:
    """The next versions in the order of ids, at most `SELECT_IDS_LIMIT`.

    Parameters: whether it is the first page, the id it comes after, the time before which rows were observed.
    """
    return f"""
    SELECT id, {VERSION_CHANGED}, {VERSION_OBSERVED} FROM main.{quote(table)}
    WHERE (? OR id > ?) AND {VERSION_OBSERVED} < ? ORDER BY id LIMIT {SELECT_IDS_LIMIT}
    """


SELECT_TOMBSTONES = f"""
SELECT id, version_changed, version_observed FROM {BOOKKEEPING}.tombstones
WHERE table_name = ? AND (? OR id > ?) AND version_observed < ? ORDER BY id LIMIT {SELECT_IDS_LIMIT}
"""
"""As `select_versions`; the first parameter is the table."""


def select_matching(table: str, column: str, *, listed: bool) -> str:
    """The ids of rows whose column is one of `wanted`, or holds one of them if it is a list."""
    name = quote(column)
    test = (
        f"list_has_any({name}, (SELECT list(value) FROM wanted))"
        if listed
        else (f"{name} IN (SELECT value FROM wanted)")
    )
    return f"SELECT id FROM main.{quote(table)} WHERE {test} ORDER BY id"


def select_state(table: str) -> str:
    """One row: rows, latest `_synced_at` and `_changed_at` in µs, rows with `_unparsed`."""
    return f"""
    SELECT count(*), epoch_us(max(_synced_at)), epoch_us(max(_changed_at)), count(_unparsed)
    FROM main.{quote(table)}
    """


def select_travelling(table: str, columns: Iterable[tuple[str, ColumnType]]) -> str:
    """The rows of the ids in `wanted`, their values in the form in which they travel."""
    selected = ", ".join(f"{travelling(name, type_)} AS {quote(name)}" for name, type_ in columns)
    return f"SELECT {selected} FROM main.{quote(table)} WHERE id IN (SELECT id FROM wanted)"


def travelling(name: str, type_: ColumnType) -> str:
    """A column as an expression for its value in the form in which it travels."""
    column = quote(name)
    match type_:
        case ColumnType.TIMESTAMP:
            return f"epoch_us({column})"
        case ColumnType.DATE:
            return f"({column} - DATE '1970-01-01')"
        case ColumnType.NUMERIC:
            # DECIMAL(38,9) always prints nine places, so only what follows the point is trimmed.
            return f"rtrim(rtrim({column}::VARCHAR, '0'), '.')"
        case ColumnType.JSON:
            return f"{column}::VARCHAR"
        case _:
            return column


def purge_rows(relation: str) -> str:
    """Delete the rows of the ids in `purged`, telling how many there were."""
    return f"DELETE FROM {relation} WHERE id IN (SELECT id FROM purged)"


PURGE_TOMBSTONES = f"""
DELETE FROM {BOOKKEEPING}.tombstones WHERE table_name = ? AND id IN (SELECT id FROM purged)
"""

PURGE_ALL_TOMBSTONES = f"DELETE FROM {BOOKKEEPING}.tombstones WHERE table_name = ?"


def drop_table(table: str) -> str:
    """Drop a table."""
    return f"DROP TABLE main.{quote(table)}"


def drop_column(table: str, column: str) -> str:
    """Drop a column."""
    return f"ALTER TABLE main.{quote(table)} DROP COLUMN {quote(column)}"


def select_unparsed(relation: str, limit: int) -> str:
    """Places and `_unparsed` of some rows that keep a value under the name given (parameter)."""
    return f"""
    SELECT rowid, _unparsed::VARCHAR FROM {relation}
    WHERE _unparsed IS NOT NULL AND list_contains(json_keys(_unparsed), ?) LIMIT {limit}
    """


def update_unparsed(relation: str) -> str:
    """Give the rows whose places are in `cleaned` the `_unparsed` that is there."""
    return f"""
    UPDATE {relation} SET _unparsed = cleaned._unparsed FROM cleaned
    WHERE {relation}.rowid = cleaned.{ROW}
    """


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
