"""Filters whose meaning is more than a comparison with one attribute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from services.sandbox.history import name_of
from services.sandbox.storage import Row

Test = Callable[[Row], bool]

_ACTIVITY_TYPES = {"1": "comment", "3": "email"}


def special(table: str, name: str, values: list[str]) -> Test:
    """The test of a special filter; ValueError when a value makes no sense for it."""
    if name == "query":
        needle = values[0].lower()
        return lambda row: needle in (name_of(row.attributes) or "").lower()
    if name == "archived":
        wanted = _boolean(values[0])
        return lambda row: (row.attributes.get("archived_at") is not None) == wanted
    if name == "with_draft":
        _boolean(values[0])
        return lambda _row: True
    if name == "type" and table == "activities":
        return _any(values, {kind: _activity_type(kind) for kind in ("1", "2", "3")})
    if name == "type":
        return _any(
            values, {"1": lambda row: not row.attributes["budget"], "2": lambda row: row.attributes["budget"]}
        )
    if name == "budget_status":
        open_budget: Test = lambda row: row.attributes["budget"] and row.attributes["closed_at"] is None  # noqa: E731
        closed: Test = lambda row: row.attributes["budget"] and row.attributes["closed_at"] is not None  # noqa: E731
        return _any(values, {"1": open_budget, "2": closed})
    ended = {"people": "deactivated_at", "tasks": "closed_at", "todos": "closed_at"}.get(table, "archived_at")
    return _any(
        values,
        {
            "1": lambda row: row.attributes.get(ended) is None,
            "2": lambda row: row.attributes.get(ended) is not None,
        },
    )


def drafts_hidden(table: str, filters: dict[str, Any]) -> bool:
    """Whether a list leaves drafts out: bookings and expenses do unless `with_draft` is true."""
    if table not in ("bookings", "expenses"):
        return False
    value = filters.get("with_draft")
    return not (isinstance(value, str) and value.lower() in ("true", "1"))


def _activity_type(kind: str) -> Test:
    link = _ACTIVITY_TYPES.get(kind)
    if link is None:
        return lambda row: row.links["comment"] is None and row.links["email"] is None
    return lambda row: row.links[link] is not None


def _any(values: list[str], tests: dict[str, Test]) -> Test:
    chosen = [tests[value] for value in values if value in tests]
    if len(chosen) < len(values):
        raise ValueError(values)
    return lambda row: any(test(row) for test in chosen)


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false", "1", "0"):
        raise ValueError(text)
    return text.lower() in ("true", "1")
