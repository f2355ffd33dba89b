"""Filters whose meaning is more than a comparison with one attribute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from services.sandbox.history import name_of
from services.sandbox.storage import Row

Test = Callable[[Row], bool]

# What "closed" means by table; elsewhere it is being archived.
_ENDED = {"people": "deactivated_at", "tasks": "closed_at", "todos": "closed_at"}
_DRAFTING = frozenset({"bookings", "expenses"})


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
    tests = _numbered(table, name)
    chosen = [tests[value] for value in values if value in tests]
    if len(chosen) < len(values):
        raise ValueError(values)
    return lambda row: any(test(row) for test in chosen)


def _numbered(table: str, name: str) -> dict[str, Test]:
    """The tests of a filter that takes numbers for its meanings."""
    if name == "type" and table == "activities":
        return {
            "1": lambda row: row.links["comment"] is not None,
            "2": lambda row: row.links["comment"] is None and row.links["email"] is None,
            "3": lambda row: row.links["email"] is not None,
        }
    if name == "type":
        return {
            "1": lambda row: not row.attributes["budget"],
            "2": lambda row: bool(row.attributes["budget"]),
        }
    if name == "budget_status":
        return {
            "1": lambda row: row.attributes["budget"] and row.attributes["closed_at"] is None,
            "2": lambda row: row.attributes["budget"] and row.attributes["closed_at"] is not None,
        }
    ended = _ENDED.get(table, "archived_at")
    return {
        "1": lambda row: row.attributes.get(ended) is None,
        "2": lambda row: row.attributes.get(ended) is not None,
    }


def drafts_hidden(table: str, filters: dict[str, Any]) -> bool:
    """Whether a list leaves drafts out: bookings and expenses do unless `with_draft` is true."""
    value = filters.get("with_draft")
    return table in _DRAFTING and not (isinstance(value, str) and value.lower() in ("true", "1"))


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false", "1", "0"):
        raise ValueError(text)
    return text.lower() in ("true", "1")
