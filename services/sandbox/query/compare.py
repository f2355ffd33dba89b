"""Comparisons of an attribute with a filter's value, in the API's own terms.

Documented in Productive's guide on filtering: a value with a time is cut to its date unless the request
carries the feature flag `filteringSkipDatetimeCastToDate`; then the granularity is one second. Which date
a timestamp falls on is taken by the organization's zone here; the real rule is not documented.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from datetime import date
from typing import Any

from services.sandbox.query.rules import Rule
from services.sandbox.storage import Ref, Row
from services.sandbox.zone import SECOND, instant, stamp
from shared.catalog import ColumnType

Test = Callable[[Row], bool]

FLAG = "filteringSkipDatetimeCastToDate"
ORDER = {"gt": operator.gt, "gt_eq": operator.ge, "lt": operator.lt, "lt_eq": operator.le}
OPERATORS = frozenset({"eq", "not_eq", "contains", "not_contain", *ORDER})


def related(rule: Rule, op: str, values: list[str]) -> Test:
    """The test of a relationship's id."""
    wanted = {int(value) for value in values}

    def test(row: Row) -> bool:
        link = row.links.get(rule.subject)
        return (isinstance(link, Ref) and link.id in wanted) == (op == "eq")

    return test


def compared(field: str, kind: ColumnType | None, op: str, values: list[str], *, cast: bool) -> Test:
    """The test of an attribute; ValueError when a value cannot be compared with it."""
    read, wanted = _reader(field, kind, values, cast=cast)
    if op in ORDER:
        order, bound = ORDER[op], wanted[0]
        return lambda row: (value := read(row)) is not None and bool(order(value, bound))
    if op in ("contains", "not_contain"):
        needles = [text.lower() for text in values]
        return lambda row: _contains(row.attributes.get(field), needles) == (op == "contains")
    return lambda row: (read(row) in wanted) == (op == "eq")


def _reader(
    field: str, kind: ColumnType | None, values: list[str], *, cast: bool
) -> tuple[Callable[[Row], Any], list[Any]]:
    """How to read the attribute for a comparison, and the values to compare it with."""
    if field == "id":
        return lambda row: row.id, [int(value) for value in values]
    if kind is ColumnType.DATE:
        return lambda row: row.attributes.get(field), [_day(value) for value in values]
    if kind is ColumnType.TIMESTAMP or field in ("created_at", "updated_at"):
        return _moments(field, values, cast=cast)
    if kind is ColumnType.BOOL:
        return lambda row: row.attributes.get(field), [value.lower() in ("true", "1") for value in values]
    if kind in (ColumnType.INT64, ColumnType.NUMERIC):
        return lambda row: _number(row.attributes.get(field)), [float(value) for value in values]
    return lambda row: _text(row.attributes.get(field)), list(values)


def _moments(field: str, values: list[str], *, cast: bool) -> tuple[Callable[[Row], Any], list[Any]]:
    """Timestamps by their dates, or by their seconds."""
    if cast:
        return lambda row: (_moment(row, field) or "")[:10] or None, [_day(value) for value in values]
    return lambda row: _second(_moment(row, field)), [instant(value) // SECOND for value in values]


def _moment(row: Row, field: str) -> str | None:
    """A timestamp attribute; the two that every row has are known even where the API does not show them."""
    if field in row.attributes:
        value: str | None = row.attributes[field]
        return value
    return stamp(row.created_us if field == "created_at" else row.changed_us)


def _day(text: str) -> str:
    return date.fromisoformat(text[:10]).isoformat()


def _second(text: str | None) -> int | None:
    return None if text is None else instant(text) // SECOND


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _text(value: Any) -> str | None:
    """Ids inside of attributes are numbers in JSON, and text in a filter."""
    return None if value is None else str(value)


def _contains(value: Any, needles: list[str]) -> bool:
    if value is None:
        return False
    if isinstance(value, list):
        return any(needle in (str(item).lower() for item in value) for needle in needles)
    return any(needle in str(value).lower() for needle in needles)
