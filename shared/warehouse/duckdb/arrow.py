"""Rows into Arrow columns, in the form in which values travel (see `shared.catalog.ColumnType`).

A batch is turned column by column, without a Python call per value; only a column that holds a value
which does not fit is looked at value by value, to find the rows to refuse. Reasons name the column and
never the value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from shared.catalog.model import ColumnType
from shared.record.model import OwnColumn
from shared.warehouse.duckdb.sql import GONE, POSITION, VERSION_CHANGED, VERSION_OBSERVED
from shared.warehouse.port import RefusedRow, Row, TableSchema

# The years 1 to 9999: what BigQuery's DATE and TIMESTAMP hold, and Python's datetime.
_TIMESTAMP_RANGE = (-62_135_596_800_000_000, 253_402_300_799_999_999)
_DATE_RANGE = (-719_162, 2_932_896)

# Arrow's own allocators keep what a batch took; the system's gives it back, so that memory stays flat.
pa.set_memory_pool(pa.system_memory_pool())

_UTC = pa.timestamp("us", tz="UTC")
_STRINGS = pa.list_(pa.string())


@dataclass(frozen=True)
class Encoded:
    """The rows that fit, as an Arrow table with their `_position` in what was given, and the others."""

    table: pa.Table
    refused: tuple[RefusedRow, ...]


@dataclass(frozen=True, slots=True)
class _Form:
    """How the values of one column type become an Arrow array, and what to say of one that cannot."""

    python: type
    convert: Callable[[Sequence[Any]], Any]
    misfit: str
    nullable: bool = True

    def may_hold(self, types: set[type]) -> bool:
        """Whether all of these Python types are among those of the column."""
        # Arrow alone would cut 1.5 to 1 in an integer column, take bytes for text, and text for a list.
        return types <= ({self.python, type(None)} if self.nullable else {self.python})


def _plain(arrow_type: Any) -> Callable[[Sequence[Any]], Any]:
    return lambda values: pa.array(values, arrow_type)


def _ranged(arrow_type: Any, lowest: int, highest: int) -> Callable[[Sequence[Any]], Any]:
    def convert(values: Sequence[Any]) -> Any:
        numbers = pa.array(values, pa.int64())
        ends = pc.min_max(numbers)
        if ends["min"].is_valid and not lowest <= ends["min"].as_py() <= ends["max"].as_py() <= highest:
            raise ValueError("out of range")
        return pa.array(values, arrow_type)

    return convert


def _decimals(values: Sequence[Any]) -> Any:
    return pa.array(values, pa.string()).cast(pa.decimal128(38, 9))


def _string_lists(values: Sequence[Any]) -> Any:
    array = pa.array(values, _STRINGS)
    if array.flatten().null_count:
        raise ValueError("NULL in an array")
    return array


_YEARS = "lies outside the years 1 to 9999"
_TEXT = _Form(str, _plain(pa.string()), "is not valid Unicode text")
_INTEGER = _Form(int, _plain(pa.int64()), "does not fit into 64 bits")
_FLAG = _Form(bool, _plain(pa.bool_()), "is not a boolean")
_KEY = replace(_TEXT, nullable=False)
_CLOCK = replace(_INTEGER, nullable=False)
_FORMS: dict[ColumnType, _Form] = {
    ColumnType.STRING: _TEXT,
    ColumnType.JSON: _TEXT,
    ColumnType.INT64: _INTEGER,
    ColumnType.BOOL: _FLAG,
    ColumnType.TIMESTAMP: _Form(int, _ranged(_UTC, *_TIMESTAMP_RANGE), _YEARS),
    ColumnType.DATE: _Form(int, _ranged(pa.date32(), *_DATE_RANGE), _YEARS),
    ColumnType.NUMERIC: _Form(
        str, _decimals, "is not a decimal of at most 29 digits before and 9 after the point"
    ),
    ColumnType.STRING_ARRAY: _Form(list, _string_lists, "is not a list of strings"),
}


def encode(schema: TableSchema, rows: Sequence[Row]) -> Encoded:
    """All rows as one table: the stored columns, `_position`, and `_gone` for deletions."""
    misfits: dict[int, str] = {}
    columns = {name: _column(name, form, values, misfits) for name, form, values in _columns(schema, rows)}
    table = pa.table({**columns, POSITION: pa.array(range(len(rows)), pa.int32())})
    if misfits:
        table = table.filter(pa.array([position not in misfits for position in range(len(rows))]))
    return Encoded(table, tuple(RefusedRow(index, reason) for index, reason in sorted(misfits.items())))


def _columns(schema: TableSchema, rows: Sequence[Row]) -> Iterator[tuple[str, _Form, list[Any]]]:
    records = [row.record for row in rows]
    data = [record.data for record in records]
    changed = [record.version.changed_us for record in records]
    observed = [record.version.observed_us for record in records]
    for name, type_ in schema.columns:
        if name == "id":
            yield name, _KEY, [record.id for record in records]
        else:
            yield name, _FORMS[type_], [row.get(name) for row in data]
    yield OwnColumn.SYNCED_AT, _FORMS[ColumnType.TIMESTAMP], list(observed)
    yield OwnColumn.CHANGED_AT, _FORMS[ColumnType.TIMESTAMP], list(changed)
    yield OwnColumn.SOURCE, _TEXT, [row.source.value for row in rows]
    yield OwnColumn.RUN_ID, _TEXT, [row.run_id for row in rows]
    yield OwnColumn.UNPARSED, _TEXT, [row.get(OwnColumn.UNPARSED) for row in data]
    yield VERSION_CHANGED, _CLOCK, changed
    yield VERSION_OBSERVED, _CLOCK, observed
    yield GONE, _FLAG, [record.op == "delete" for record in records]


def _column(name: str, form: _Form, values: list[Any], misfits: dict[int, str]) -> Any:
    if form.may_hold(set(map(type, values))):
        try:
            return form.convert(values)
        except (pa.ArrowException, ValueError, OverflowError):
            pass
    for position, value in enumerate(values):
        reason = _misfit(form, value)
        if reason is not None:
            misfits.setdefault(position, f"column `{name}` {reason}")
            values[position] = None
    return form.convert(values)


def _misfit(form: _Form, value: Any) -> str | None:
    if value is None:
        return None if form.nullable else "has no value"
    if type(value) is not form.python:
        return f"holds a value of type {type(value).__name__} and needs {form.python.__name__}"
    try:
        form.convert([value])
    except (pa.ArrowException, ValueError, OverflowError, TypeError):
        return form.misfit
    return None
