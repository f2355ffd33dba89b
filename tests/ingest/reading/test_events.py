"""The catalog's events find their tables."""

from __future__ import annotations

import pytest

from services.ingest.reading.events import Event, Events
from shared.catalog import load_catalog

EVENTS = Events(load_catalog())

DOCUMENTED = {
    "tasks": {"create": [1], "update": [24], "delete": [25]},
    "invoices": {"create": [2], "update": [14], "delete": [15]},
    "deals": {"create": [3, 4], "update": [12, 16], "delete": [13, 20]},
    "projects": {"create": [5], "update": [10], "delete": [11]},
    "time_entries": {"create": [7], "update": [8], "delete": [9]},
    "bookings": {"create": [17], "update": [18], "delete": [19]},
    "expenses": {"create": [21], "update": [22], "delete": [23]},
    "people": {"create": [26], "update": [27], "archive": [28]},
    "companies": {"create": [29], "update": [30], "archive": [31]},
    "payments": {"create": [32], "update": [33], "delete": [34]},
}


def test_each_of_the_33_documented_events_is_told_apart() -> None:
    told = {
        (event_id, table, kind)
        for table, kinds in DOCUMENTED.items()
        for kind, event_ids in kinds.items()
        for event_id in event_ids
    }
    assert len(told) == 33
    found = {(event_id, event.table, event.kind) for event_id in EVENTS if (event := EVENTS.event(event_id))}
    assert found == told


@pytest.mark.parametrize("event_id", [0, 6, 35, 36, -1, 10**20])
def test_an_event_that_nobody_documented_is_none(event_id: int) -> None:
    assert EVENTS.event(event_id) is None


@pytest.mark.parametrize(
    ("item_type", "table"),
    [
        ("task", "tasks"),
        ("invoice", "invoices"),
        ("deal", "deals"),
        ("budget", "deals"),
        ("Budget", "deals"),
        ("project", "projects"),
        ("time_entry", "time_entries"),
        ("TimeEntry", "time_entries"),
        ("time entries", "time_entries"),
        ("booking", "bookings"),
        ("expense", "expenses"),
        ("person", "people"),
        ("people", "people"),
        ("company", "companies"),
        ("Company", "companies"),
        ("payment", "payments"),
        ("comment", "comments"),
        ("deal_status", "deal_statuses"),
        ("tax_rate", "tax_rates"),
    ],
)
def test_an_item_is_found_in_its_table_however_it_is_spelled(item_type: str, table: str) -> None:
    assert EVENTS.table_of(item_type) == table


@pytest.mark.parametrize("item_type", ["", "tas", "unicorn", "tasks; drop", "s"])
def test_an_item_of_no_table_is_found_in_none(item_type: str) -> None:
    assert EVENTS.table_of(item_type) is None


def test_every_table_is_found_by_the_type_of_its_records() -> None:
    assert all(EVENTS.table_of(table.type) == table.name for table in load_catalog().values())


def test_an_event_names_its_table_and_kind() -> None:
    assert EVENTS.event(28) == Event("people", "archive")
