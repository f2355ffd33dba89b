"""Which change is which of the 33 documented events.

The numbers and what they stand for are documented (in an older guide). Of the names only `create_task` has
been seen; the others follow its pattern. A person or a company tells that it was archived, never that it was
deleted; everything else tells the delete, and its archiving is an update like any other.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from services.sandbox.organization import Change


class Event(NamedTuple):
    """What a webhook can be registered for. `ends` is a delete or an archive."""

    id: int
    name: str
    item_type: str
    ends: bool


class _Subject(NamedTuple):
    table: str
    created: int
    updated: int
    ended: int


_SUBJECTS = {
    "task": _Subject("tasks", 1, 24, 25),
    "invoice": _Subject("invoices", 2, 14, 15),
    "deal": _Subject("deals", 3, 12, 13),
    "budget": _Subject("deals", 4, 16, 20),
    "project": _Subject("projects", 5, 10, 11),
    "time_entry": _Subject("time_entries", 7, 8, 9),
    "booking": _Subject("bookings", 17, 18, 19),
    "expense": _Subject("expenses", 21, 22, 23),
    "person": _Subject("people", 26, 27, 28),
    "company": _Subject("companies", 29, 30, 31),
    "payment": _Subject("payments", 32, 33, 34),
}
_ARCHIVED = frozenset({"person", "company"})
_BY_TABLE = {subject.table: kind for kind, subject in _SUBJECTS.items() if kind != "budget"}

EVENTS = {
    number: Event(number, f"{verb}_{kind}", kind, ends)
    for kind, subject in _SUBJECTS.items()
    for number, verb, ends in (
        (subject.created, "create", False),
        (subject.updated, "update", False),
        (subject.ended, "archive" if kind in _ARCHIVED else "delete", True),
    )
}


def event_of(change: Change) -> Event | None:
    """The event that a change is, or None when Productive sends nothing for it."""
    kind = _BY_TABLE.get(change.table)
    if kind is None or change.kind == "restore":
        return None
    if kind == "deal" and (change.after or change.before or {})["attributes"].get("budget"):
        kind = "budget"
    subject = _SUBJECTS[kind]
    if change.kind == "create":
        return EVENTS[subject.created]
    if kind in _ARCHIVED:
        if change.kind == "delete":
            return None
        return EVENTS[subject.ended if _was_archived(change.before, change.after) else subject.updated]
    return EVENTS[subject.ended if change.kind == "delete" else subject.updated]


def _was_archived(before: dict[str, Any] | None, after: dict[str, Any] | None) -> bool:
    if before is None or after is None:
        return False
    return before["attributes"].get("archived_at") is None and after["attributes"]["archived_at"] is not None
