"""What an event id and an item's type tell: which table, and what happened to the record.

The 33 event ids are documented and kept in the catalog with the tables; deals and budgets, two kinds of
event for Productive, are one table. `item_type` was seen in one delivery only ("task"): it is understood
in singular and plural, in snake case and in camel case, and anything else is no type.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from shared.catalog.model import Table

Kind = Literal["create", "update", "delete", "archive"]

_OTHER_NAMES: Final = {"budget": "deals", "budgets": "deals", "person": "people"}
"""Names of items that no rule makes from a table's JSON:API type; values are table names."""

_SINGULARS: Final = (("ies", "y"), ("uses", "us"), ("sses", "ss"), ("xes", "x"), ("ches", "ch"), ("s", ""))
"""Endings of plurals and what the singular has in their place; the first that fits counts."""

_CAMEL_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|::|[\s-]+")


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
        self._by_item = {name: table.name for table in catalog.values() for name in _names(table)}
        self._by_item |= {name: table for name, table in _OTHER_NAMES.items() if table in catalog}

    def __iter__(self) -> Iterator[int]:
        return iter(self._by_id)

    def event(self, event_id: int) -> Event | None:
        """What the event tells; None for an id that is not documented."""
        return self._by_id.get(event_id)

    def table_of(self, item_type: str) -> str | None:
        """The name of the table that items of this type are kept in; None when there is no such type."""
        return self._by_item.get(_CAMEL_HUMP.sub("_", item_type.strip()).lower())


def _names(table: Table) -> Iterator[str]:
    yield table.type
    for plural, singular in _SINGULARS:
        if table.type.endswith(plural):
            yield table.type.removesuffix(plural) + singular
            return
