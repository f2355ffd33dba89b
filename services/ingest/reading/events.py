"""What an event id and an item's type tell: which table, and what happened to the record.

The 33 event ids are documented and kept in the catalog with the tables; deals and budgets, two kinds of
event for Productive, are one table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from shared.catalog.model import Table
from shared.productive.item_types import ItemTypes

Kind = Literal["create", "update", "delete", "archive"]


@dataclass(frozen=True, slots=True)
class Event:
    """One kind of webhook: what it tells of which table."""

    table: str
    kind: Kind


class Events:
    """Everything that the catalog knows about webhooks' events."""

    def __init__(self, catalog: Mapping[str, Table]) -> None:
        self._by_id = {
            event_id: Event(table.name, kind)
            for table in catalog.values()
            for kind, event_ids in table.events.items()
            for event_id in event_ids
        }
        self._items = ItemTypes(catalog)

    def __iter__(self) -> Iterator[int]:
        return iter(self._by_id)

    def event(self, event_id: int) -> Event | None:
        """What the event tells; None for an id that is not documented."""
        return self._by_id.get(event_id)

    def table_of(self, item_type: str) -> str | None:
        """The name of the table that items of this type are kept in; None when there is no such type."""
        return self._items.table_of(item_type)
