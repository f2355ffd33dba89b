"""What to do about a delivery: pure rules, no I/O.

The payload is a hint. It is published as it is only when nothing that is synced is missing in it, so that
no known value is ever replaced by one that was just not sent; otherwise the record has to be read again.

Versions. A payload's state is observed when the event was created, at the latest when it was received, so
that it never beats a later reading of the same change. A deletion is a change at the event's time: that is
after every change of the state that it deletes, and before those of a later re-creation. Where a table has
no change time, its states are ordered by when they were observed, on our clock; so is its deletion, by its
receipt, which is after every observation of what is deleted. A deletion that comes late is not believed but
looked at, because the record may have been restored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from services.ingest.delivery import Delivery
from services.ingest.reading.events import Events
from services.ingest.reading.hint import Hint
from services.ingest.reading.payload import OurTest, Payload, Senseless, read_payload
from services.ingest.reading.wholeness import Wholeness
from shared.catalog.model import Table
from shared.catalog.selection import SelectedTable
from shared.clock import MICROSECONDS
from shared.record import Record, Version
from shared.record.values import parse_timestamp

_FUTURE_US: Final = 300 * MICROSECONDS
"""How far ahead of its receipt an event's time may be: more than clocks differ."""

_JUST_NOW_US: Final = 600 * MICROSECONDS
"""How old a deletion may be when it is received, to be believed without a look: far more than a delivery
takes. Older are retries, replays, and all of them should `created` turn out to be the record's time."""

_PAST_US: Final = 7 * 86_400 * MICROSECONDS
"""How long before its receipt an event may have happened: Productive tries for up to two days."""


@dataclass(frozen=True, slots=True)
class Publish:
    """The record is known: an upsert of the payload's state, or a delete."""

    table: str
    record: Record


@dataclass(frozen=True, slots=True)
class Reread:
    """The record has to be read again."""

    hint: Hint


@dataclass(frozen=True, slots=True)
class Skip:
    """There is nothing to do, which is normal; `table` is empty for a test delivery."""

    table: str
    reason: str


@dataclass(frozen=True, slots=True)
class Nonsense:
    """It belongs into the dead letters; trying again would not mend it."""

    reason: str


Interpretation = Publish | Reread | Skip | Nonsense


class Interpreter:
    """Interprets the deliveries of one organization; `tables` are the selected ones, by name."""

    def __init__(self, catalog: Mapping[str, Table], tables: Mapping[str, SelectedTable]) -> None:
        self._events = Events(catalog)
        self._tables = tables
        self._wholeness: dict[str, Wholeness] = {}

    def interpret(self, delivery: Delivery) -> Interpretation:
        """What to do about it."""
        payload = read_payload(delivery.body)
        if isinstance(payload, OurTest):
            return Skip("", "a test of the webhook")
        if isinstance(payload, Senseless):
            return Nonsense(payload.reason)

        event = self._events.event(delivery.event_id)
        item_table = self._events.table_of(payload.item_type)
        table = item_table or (event.table if event else None)
        if table is None:
            item_type = payload.item_type[:60]
            return Nonsense(f"neither the event {delivery.event_id} nor the item type {item_type!r} is known")
        if table not in self._tables:
            return Skip(table, "the table is not selected")
        hint = Hint(table, payload.item_id, _happened_us(payload, delivery))
        if event is None or event.table != table or event.kind == "archive":
            return Reread(hint)
        record = (
            self._deletion(table, payload, delivery)
            if event.kind == "delete"
            else self._state(table, payload, delivery)
        )
        return Reread(hint) if record is None else Publish(table, record)

    def _deletion(self, table: str, payload: Payload, delivery: Delivery) -> Record | None:
        """The record as deleted; None when that was not just now, so that it may be there again."""
        changed_us = _event_us(payload, delivery)
        if changed_us is not None and changed_us < delivery.received_us - _JUST_NOW_US:
            return None
        change_column = self._tables[table].table.change_column
        if changed_us is None or change_column is None:
            changed_us = _happened_us(payload, delivery)
        last_us = _change_us(payload.resource, change_column)
        if last_us is not None and last_us <= delivery.received_us + _FUTURE_US:
            changed_us = max(changed_us, last_us)
        return Record(payload.item_id, "delete", Version(changed_us, delivery.received_us))

    def _state(self, table: str, payload: Payload, delivery: Delivery) -> Record | None:
        """The payload's state if it is whole and its time is known, else None."""
        event_us = _event_us(payload, delivery)
        if event_us is None or payload.resource is None:
            return None
        if table not in self._wholeness:
            self._wholeness[table] = Wholeness(self._tables[table])
        return self._wholeness[table].record(
            payload.resource, payload.item_id, observed_us=min(event_us, delivery.received_us)
        )


def _event_us(payload: Payload, delivery: Delivery) -> int | None:
    """When the event happened; None when the payload does not tell, or tells what cannot be."""
    created_us, received_us = payload.created_us, delivery.received_us
    if created_us is None or not received_us - _PAST_US <= created_us <= received_us + _FUTURE_US:
        return None
    return created_us


def _happened_us(payload: Payload, delivery: Delivery) -> int:
    """A time by which the event had happened, whatever the payload tells."""
    return max(delivery.received_us, _event_us(payload, delivery) or 0)


def _change_us(resource: dict[str, Any] | None, change_column: str | None) -> int | None:
    attributes = resource.get("attributes") if resource else None
    if not isinstance(attributes, dict) or change_column is None:
        return None
    changed = parse_timestamp(attributes.get(change_column))
    return changed if isinstance(changed, int) else None
