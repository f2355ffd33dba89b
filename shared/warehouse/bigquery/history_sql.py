# ruff: noqa: S608  Only our own names and catalog names, quoted, are put into statements; values are not.
"""The statements that keep the history of a table: its log, and the view that people ask.

The log `<table>__history` holds one row per version of a record that was seen, late ones too, in no order:
`upsert` with all columns of the state, or `delete`. Its key is made of the record's id and the version, so
that what is written again is there once. The view `<table>_history` puts the versions of each record in
order and makes one row of those that follow each other with the same state, so it is right whatever came
first, and however often.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from shared.catalog.model import ColumnType
from shared.record.model import OwnColumn
from shared.warehouse.bigquery.sql import quote, travelling

RECORD: Final = "_record_id"
OP: Final = "_op"
VALID_FROM, VALID_TO, IS_CURRENT = "_valid_from", "_valid_to", "_is_current"

_ABOUT_THE_VERSION: Final = (
    OwnColumn.SYNCED_AT.value,
    OwnColumn.CHANGED_AT.value,
    OwnColumn.SOURCE.value,
    OwnColumn.RUN_ID.value,
)
_NO_STATE: Final = frozenset({"id", RECORD, OP, *_ABOUT_THE_VERSION})

# They count the days by themselves: a record would have a version for every day that it is looked at.
_TICKING: Final = re.compile(r"days_(since|in)_.*")
_SEPARATOR: Final = "CODE_POINTS_TO_STRING([30])"


def log_name(table: str) -> str:
    """The log's name; no table of Productive has two underscores in a row."""
    return f"{table}__history"


def view_name(table: str) -> str:
    """The view's name."""
    return f"{table}_history"


def is_state(name: str) -> bool:
    """Whether a column belongs to the state of a record, and not only to what is known of it."""
    return name not in _NO_STATE


def _state(columns: Mapping[str, ColumnType]) -> str:
    """An expression over a row: a text that is the same for the same state.

    A column that is NULL counts as one that is not there, so that a new column changes nothing until it is
    filled.
    """
    texts = [
        f"IFNULL(CONCAT('{name}=', {_text(name, type_)}), '')"
        for name, type_ in sorted(columns.items())
        if is_state(name) and not _TICKING.fullmatch(name)
    ]
    return f"ARRAY_TO_STRING([{', '.join(texts)}], {_SEPARATOR})" if texts else "''"


def _text(name: str, type_: ColumnType) -> str:
    match type_:
        case ColumnType.STRING:
            return quote(name)
        case ColumnType.STRING_ARRAY:
            # Which of them comes first means nothing, and an empty list is none.
            ordered = f"ARRAY(SELECT one FROM UNNEST({quote(name)}) AS one ORDER BY one)"
            return f"IF(IFNULL(ARRAY_LENGTH({quote(name)}), 0) = 0, NULL, TO_JSON_STRING({ordered}))"
        case ColumnType.JSON | ColumnType.NUMERIC:
            return travelling(name, type_)
        case _:
            return f"CAST({travelling(name, type_)} AS STRING)"


def create_view(log: str, columns: Mapping[str, ColumnType]) -> str:
    """The view's query over a log that has these columns.

    A version is valid from the change time that Productive gives. When the state is another one and the
    change time is the same, all that is known is when that was first seen. Productive's times come first:
    what was only seen cannot be valid beyond the next change.
    """
    window = f"PARTITION BY {RECORD} ORDER BY _changed_at, _synced_at"
    following = "ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING"
    states = ", ".join(quote(name) for name in columns if is_state(name))
    about = ", ".join(_ABOUT_THE_VERSION)
    began = "IF(_changed_at = _changed_before, GREATEST(_changed_at, _synced_at), _changed_at)"
    return f"""
    WITH points AS (
        SELECT *, IF({OP} = 'delete', NULL, {_state(columns)}) AS _state FROM {log}
    ), seen AS (
        SELECT *, LAG(_state) OVER ({window}) AS _state_before,
               LAG(_changed_at) OVER ({window}) AS _changed_before
        FROM points
    ), changes AS (
        SELECT *, {began} AS _began FROM seen
        WHERE (_state IS NULL) != (_state_before IS NULL) OR _state != _state_before
    ), beginnings AS (
        SELECT *, MIN(_began) OVER ({window} {following}) AS {VALID_FROM} FROM changes
    ), periods AS (
        SELECT *, LEAD({VALID_FROM}) OVER ({window}) AS {VALID_TO} FROM beginnings
    )
    SELECT {RECORD} AS id, {states}{"," if states else ""} {VALID_FROM}, {VALID_TO},
           {VALID_TO} IS NULL AS {IS_CURRENT}, {about}
    FROM periods WHERE _state IS NOT NULL
    """


def sightings(log: str) -> str:
    """One row: how many versions the log has, and of how many records."""
    return f"SELECT COUNT(*), COUNT(DISTINCT {RECORD}) FROM {log}"


def needless(log: str, columns: Mapping[str, ColumnType], days: int) -> str:
    """The keys of versions that say nothing any more.

    Between two others of the same state a version says nothing, unless another one arrives late and belongs
    next to it: so only those are given up that were seen `days` before the last one of their record.
    """
    window = f"PARTITION BY {RECORD} ORDER BY _changed_at, _synced_at"
    return f"""
    WITH points AS (
        SELECT id, {RECORD}, _changed_at, _synced_at, IF({OP} = 'delete', NULL, {_state(columns)}) AS _state
        FROM {log}
    ), seen AS (
        SELECT id, _synced_at, _state, LAG(_state) OVER ({window}) AS _before,
               LEAD(_state) OVER ({window}) AS _after, MAX(_synced_at) OVER (PARTITION BY {RECORD}) AS _last
        FROM points
    )
    SELECT id FROM seen WHERE _before = _state AND _after = _state
        AND UNIX_MICROS(_synced_at) < UNIX_MICROS(_last) - {days * 86_400_000_000}
    """


def unlogged(log: str) -> str:
    """The condition on a row `t` that its version is not in the log."""
    return f"""NOT EXISTS (SELECT 1 FROM {log} l WHERE l.{RECORD} = t.id
        AND l._changed_at = t._changed_at AND l._synced_at = t._synced_at)"""


def unlogged_deletions(log: str, deletions: str) -> str:
    """The deletions of the table `@name` that are not in the log: id and version."""
    return f"""
    SELECT d.record_id, d.changed_us, d.observed_us FROM {deletions} d
    WHERE d.table_name = @name AND NOT EXISTS (
        SELECT 1 FROM {log} l WHERE l.{RECORD} = d.record_id
        AND UNIX_MICROS(l._changed_at) = d.changed_us AND UNIX_MICROS(l._synced_at) = d.observed_us)
    """
