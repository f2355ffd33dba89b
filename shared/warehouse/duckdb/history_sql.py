# ruff: noqa: S608  Only our own names and catalog names, quoted, are put into statements; values are not.
"""The statements that keep the history of a table: its log, and the view that people ask.

The log `<table>__history` lies in `BOOKKEEPING`. It holds one row per version of a record that was seen,
late ones too, in no order:

- `upsert`: a state, with all its columns. There is one for each different state of a record.
- `repeat`: a version whose state the log has already; only what tells who saw it and when.
- `delete`: the record was gone.

The view `<table>_history` puts the versions of each record in order and makes one row of those that
follow each other with the same state, so it is right whatever came first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from shared.catalog.model import ColumnType
from shared.catalog.types import DUCKDB_TYPES
from shared.record.model import OwnColumn
from shared.warehouse.duckdb.sql import BOOKKEEPING, ROW, VERSION_CHANGED, VERSION_OBSERVED, quote

OP = "_op"
HASH = "_hash"
VALID_FROM = "_valid_from"
VALID_TO = "_valid_to"
IS_CURRENT = "_is_current"

_ORDER = f"{VERSION_CHANGED}, {VERSION_OBSERVED}"
_ABOUT_THE_VERSION = (
    OwnColumn.SYNCED_AT.value,
    OwnColumn.CHANGED_AT.value,
    OwnColumn.SOURCE.value,
    OwnColumn.RUN_ID.value,
)
_THIN = ("id", *_ABOUT_THE_VERSION, VERSION_CHANGED, VERSION_OBSERVED)

# They count the days by themselves: a record would have a version for every day that it is looked at.
_TICKING = re.compile(r"days_(since|in)_.*")


def log_name(table: str) -> str:
    """The log's name in `BOOKKEEPING`."""
    return f"{table}__history"


def view_name(table: str) -> str:
    """The view's name in `main`."""
    return f"{table}_history"


def log(table: str) -> str:
    """The log, as statements name it."""
    return f"{BOOKKEEPING}.{quote(log_name(table))}"


def view(table: str) -> str:
    """The view, as statements name it."""
    return f"main.{quote(view_name(table))}"


def is_state(name: str) -> bool:
    """Whether a column of a table belongs to the state of a record, and not only to what is known of it."""
    return name not in _THIN


def create_log(table: str) -> str:
    """Make an empty log; columns are added as the table has them."""
    return f"CREATE TABLE {log(table)} (id VARCHAR NOT NULL, {OP} VARCHAR NOT NULL, {HASH} UBIGINT)"


def add_log_column(table: str, name: str, type_: ColumnType) -> str:
    """Add one column, NULL in every row."""
    return f"ALTER TABLE {log(table)} ADD COLUMN {quote(name)} {DUCKDB_TYPES[type_]}"


def hash_of(columns: Mapping[str, ColumnType]) -> str:
    """An expression over a row: a number that is the same for the same state.

    A column that is NULL counts as one that is not there, so that a new column changes nothing until it is
    filled. MD5 over text, because `hash()` may be another one in the next version of DuckDB.
    """
    texts = ", ".join(
        f"{_literal(name + '=')} || {_text(name, type_)}"
        for name, type_ in sorted(columns.items())
        if is_state(name) and not _TICKING.fullmatch(name)
    )
    return f"md5_number_lower(concat_ws(chr(30), '', {texts or 'NULL'}))"


def _text(name: str, type_: ColumnType) -> str:
    column = quote(name)
    match type_:
        case ColumnType.TIMESTAMP:
            return f"epoch_us({column})::VARCHAR"
        case ColumnType.DATE:
            return f"({column} - DATE '1970-01-01')::VARCHAR"
        case ColumnType.STRING_ARRAY:
            # Which of them comes first means nothing.
            return f"to_json(list_sort({column}))::VARCHAR"
        case ColumnType.STRING:
            return column
        case _:
            return f"{column}::VARCHAR"


def select_incoming(columns: Mapping[str, ColumnType], position: str, gone: str) -> str:
    """Position, id, version and state's hash (NULL for a deletion) of what is in `versions`, in order."""
    return f"""
    SELECT {position}, id, {_ORDER}, CASE WHEN NOT {gone} THEN {hash_of(columns)} END
    FROM versions ORDER BY {position}
    """


def select_points(table: str) -> str:
    """Place, id, version, op and hash of all that the log has of the ids in `versions`."""
    return f"SELECT rowid, id, {_ORDER}, {OP}, {HASH} FROM {log(table)} WHERE id IN (SELECT id FROM versions)"


def insert_whole(table: str, columns: Iterable[str]) -> str:
    """Insert all of `logged` with their states."""
    names = ", ".join(quote(name) for name in (*columns, OP, HASH))
    return f"INSERT INTO {log(table)} ({names}) SELECT {names} FROM logged"


def insert_thin(table: str) -> str:
    """Insert all of `logged` without their states."""
    names = ", ".join(quote(name) for name in (*_THIN, OP, HASH))
    return f"INSERT INTO {log(table)} ({names}) SELECT {names} FROM logged"


def delete_points(table: str) -> str:
    """Delete the rows whose places are in `obsolete`."""
    return f"DELETE FROM {log(table)} WHERE rowid IN (SELECT {ROW} FROM obsolete)"


def is_behind(table: str) -> str:
    """Whether the table holds versions, or remembers deletions, that the log does not have."""
    return f"""
    SELECT EXISTS (SELECT 1 FROM main.{quote(table)} t WHERE NOT {_logged(table)})
        OR EXISTS (SELECT 1 FROM {_tombstones(table)} t WHERE NOT {_logged(table)})
    """


def seed(table: str, columns: Mapping[str, ColumnType]) -> Sequence[str]:
    """Take what the table holds, and the deletions it remembers, into the log unless they are there."""
    names = ", ".join(quote(name) for name in columns)
    thin = ", ".join(quote(name) for name in _THIN)
    rows = f"(SELECT *, {hash_of(columns)} AS {HASH} FROM main.{quote(table)} t WHERE NOT {_logged(table)}) t"
    return (
        f"""INSERT INTO {log(table)} ({names}, {OP}, {HASH}) SELECT {names}, 'upsert', {HASH} FROM {rows}
        WHERE NOT EXISTS (SELECT 1 FROM {log(table)} l
                          WHERE l.id = t.id AND l.{HASH} = t.{HASH} AND l.{OP} = 'upsert')""",
        f"INSERT INTO {log(table)} ({thin}, {OP}, {HASH}) SELECT {thin}, 'repeat', {HASH} FROM {rows}",
        f"""INSERT INTO {log(table)} (id, _changed_at, _synced_at, {_ORDER}, {OP})
        SELECT id, make_timestamptz({VERSION_CHANGED}), make_timestamptz({VERSION_OBSERVED}), {_ORDER},
               'delete'
        FROM {_tombstones(table)} t WHERE NOT {_logged(table)}""",
    )


def _tombstones(table: str) -> str:
    return f"""(SELECT id, version_changed AS {VERSION_CHANGED}, version_observed AS {VERSION_OBSERVED}
                FROM {BOOKKEEPING}.tombstones WHERE table_name = {_literal(table)})"""


def _logged(table: str) -> str:
    return f"""EXISTS (SELECT 1 FROM {log(table)} l WHERE l.id = t.id
        AND l.{VERSION_CHANGED} = t.{VERSION_CHANGED} AND l.{VERSION_OBSERVED} = t.{VERSION_OBSERVED})"""


def create_view(table: str, columns: Iterable[str]) -> str:
    """The view over a log that has these columns.

    A version is valid from the change time that Productive gives. When the state is another one and the
    change time is the same, all that is known is when that was first seen. Productive's times come first:
    what was only seen cannot be valid beyond the next change.
    """
    window = f"(PARTITION BY id ORDER BY {_ORDER})"
    states = ", ".join(f"s.{quote(name)}" for name in columns if is_state(name))
    about = ", ".join(f"v.{name}" for name in _ABOUT_THE_VERSION)
    return f"""
    CREATE OR REPLACE VIEW {view(table)} AS
    WITH points AS (
        SELECT id, {_ORDER}, {", ".join(_ABOUT_THE_VERSION)}, {HASH},
               lag({HASH}) OVER w AS hash_before, lag({VERSION_CHANGED}) OVER w AS changed_before
        FROM {log(table)} WINDOW w AS {window}
    ), changes AS (
        SELECT *, CASE WHEN {VERSION_CHANGED} = changed_before THEN greatest(_changed_at, _synced_at)
                       ELSE _changed_at END AS began
        FROM points WHERE {HASH} IS DISTINCT FROM hash_before
    ), beginnings AS (
        SELECT *, min(began) OVER (PARTITION BY id ORDER BY {_ORDER}
                                   ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS {VALID_FROM}
        FROM changes
    ), versions AS (
        SELECT *, lead({VALID_FROM}) OVER {window} AS {VALID_TO} FROM beginnings
    )
    SELECT v.id, {states}, v.{VALID_FROM}, v.{VALID_TO}, v.{VALID_TO} IS NULL AS {IS_CURRENT}, {about}
    FROM versions v JOIN {log(table)} s ON s.id = v.id AND s.{HASH} = v.{HASH} AND s.{OP} = 'upsert'
    """


def rehash(table: str, columns: Mapping[str, ColumnType]) -> Sequence[str]:
    """Make the hashes those of the states as they are now, after a column of theirs was taken away."""
    return (
        f"""UPDATE {log(table)} SET {HASH} = now.new
        FROM (SELECT id, {HASH} AS old, {hash_of(columns)} AS new FROM {log(table)} WHERE {OP} = 'upsert') now
        WHERE {log(table)}.id = now.id AND {log(table)}.{HASH} = now.old""",
        f"""UPDATE {log(table)} SET {OP} = 'repeat' WHERE {OP} = 'upsert' AND rowid NOT IN
        (SELECT min(rowid) FROM {log(table)} WHERE {OP} = 'upsert' GROUP BY id, {HASH})""",
    )


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
