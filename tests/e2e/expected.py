"""What a row has to be for a resource of the source, worked out again without the project's own rules.

Only the names and types of the columns are the catalog's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from shared.catalog import load_catalog
from shared.catalog.model import Column, ColumnType
from tests.e2e.server import Resource, dumps

OWN = {"_synced_at", "_source", "_run_id", "_changed_at", "_version_changed", "_version_observed"}
_UNFIT = object()


def assert_same(table: str, resources: Iterable[Resource], rows: Mapping[str, Mapping[str, Any]]) -> None:
    """The rows are those of the resources, all of them and exactly, beside our own columns.

    Lists of ids are not compared: no crawl includes the relationships that they come from.
    """
    expected = {row["id"]: row for row in (expected_row(table, meant(one)) for one in resources)}
    assert sorted(rows) == sorted(expected), f"{table}: other ids"
    for id_, row in expected.items():
        found = {
            name: json.loads(value, parse_float=Decimal, parse_int=Decimal)
            if _is_json(table, name)
            else value
            for name, value in rows[id_].items()
            if name not in OWN
        }
        assert found == row, f"{table} {id_}"


def meant(resource: Resource) -> Resource:
    """The resource as its JSON says; half of a surrogate pair is no character and is written out."""
    value: Resource = json.loads(dumps(resource), parse_float=Decimal)
    cleaned: Resource = _clean(value)
    return cleaned


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    return [_clean(item) for item in value] if isinstance(value, list) else value


def expected_row(table: str, resource: Resource) -> dict[str, Any]:
    """The row of one resource, JSON columns parsed with all numbers as Decimal."""
    row: dict[str, Any] = {}
    unparsed: dict[str, Any] = {}
    for column in load_catalog()[table].columns:
        if column.secret or column.kind == "to_many_ids":
            continue
        raw, value = _value(column, resource)
        if value is _UNFIT:
            unparsed[column.name] = _numbers(raw)
        elif value is not None:
            row[column.name] = value
    if unparsed:
        row["_unparsed"] = unparsed
    return row


def _value(column: Column, resource: Resource) -> tuple[Any, Any]:
    if column.kind == "id":
        return None, str(resource["id"])
    if column.kind == "attribute":
        raw = resource.get("attributes", {}).get(column.field)
        return raw, None if raw is None else _attribute(column.type, raw)
    raw = resource.get("relationships", {}).get(column.field)
    if raw is None:
        return None, None
    if not isinstance(raw, dict):
        return {"data": raw}, _UNFIT
    return raw, str(raw["id" if column.kind == "to_one_id" else "type"])


def _attribute(type_: ColumnType, raw: Any) -> Any:
    is_number = isinstance(raw, int | Decimal) and not isinstance(raw, bool)
    match type_:
        case ColumnType.JSON:
            return _numbers(raw)
        case ColumnType.BOOL:
            return raw if isinstance(raw, bool) else _UNFIT
        case ColumnType.STRING:
            return raw if isinstance(raw, str) else str(raw) if is_number else _UNFIT
        case ColumnType.INT64 | ColumnType.NUMERIC:
            if not is_number and not (isinstance(raw, str) and re.fullmatch(r"-?\d+(\.\d+)?", raw)):
                return _UNFIT
            return _number(type_, Decimal(raw))
        case _:
            read = _day if type_ is ColumnType.DATE else _moment
            return read(raw) if isinstance(raw, str) else _UNFIT


def _number(type_: ColumnType, number: Decimal) -> Any:
    if type_ is ColumnType.INT64:
        fits = number.adjusted() < 30 and number == int(number) and -(2**63) <= number < 2**63
        return int(number) if fits else _UNFIT
    _, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    while digits and digits[-1] == 0 and exponent < 0:
        digits, exponent = digits[:-1], exponent + 1
    return number if exponent >= -9 and number.adjusted() < 29 else _UNFIT


def _day(text: str) -> Any:
    try:
        return text if date.fromisoformat(text).isoformat() == text else _UNFIT
    except ValueError:
        return _UNFIT


def _moment(text: str) -> Any:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return _UNFIT
    if "T" not in text:
        return _UNFIT
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _numbers(value: Any) -> Any:
    """The same with all numbers as Decimal, as the database's JSON texts are read for comparison."""
    if isinstance(value, dict):
        return {key: _numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    return Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _is_json(table: str, name: str) -> bool:
    types = {column.name: column.type for column in load_catalog()[table].columns}
    return name == "_unparsed" or types.get(name) is ColumnType.JSON
