"""Which events to have webhooks for: what people call them, and the numbers Productive gives them."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from shared.catalog import Catalog
from shared.errors import ConfigError

_THINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "bookings": ("booking",),
    "companies": ("company",),
    "deals": ("deal", "budget"),
    "expenses": ("expense",),
    "invoices": ("invoice",),
    "payments": ("payment",),
    "people": ("person",),
    "projects": ("project",),
    "tasks": ("task",),
    "time_entries": ("time_entry",),
}
"""What one record of a table is called; deals and budgets share a table and have ids in this order."""


@dataclass(frozen=True, slots=True)
class Event:
    """One of Productive's events: its documented id, a name such as `task.update`, the table it feeds."""

    id: int
    name: str
    table: str

    @property
    def thing(self) -> str:
        """What it happens to, in the singular."""
        return self.name.partition(".")[0]


def all_events(catalog: Catalog) -> tuple[Event, ...]:
    """Every event that Productive has a webhook for, by id."""
    return tuple(sorted(_events(catalog), key=lambda event: event.id))


def choose(catalog: Catalog, tables: Collection[str], wanted: Sequence[str] = ()) -> tuple[Event, ...]:
    """The wanted events by id; when none is named, those of all `tables`, which are the selected ones.

    An event is named by its id (`24`), its name (`task.update`), what it happens to (`task`) or its table
    (`tasks`). `ConfigError` for anything else, and for an event whose table is not selected.
    """
    events = all_events(catalog)
    if not wanted:
        chosen = {event for event in events if event.table in tables}
        if not chosen:
            raise ConfigError(
                "none of the selected tables has webhooks",
                advice=f"Productive sends them for {', '.join(sorted({e.table for e in events}))}.",
            )
    else:
        chosen = {event for word in wanted for event in _named(events, word)}
    for event in sorted(chosen, key=lambda event: event.id):
        if event.table not in tables:
            raise ConfigError(
                f"the event {event.name} belongs to the table {event.table}, which is not selected",
                advice=f'Select it (`add = ["{event.table}"]` under `tables`), or leave the event out.',
            )
    return tuple(event for event in events if event in chosen)


def _events(catalog: Catalog) -> Iterator[Event]:
    for table in catalog.values():
        things = _THINGS.get(table.name, (table.name,))
        for kind, ids in table.events.items():
            for index, id_ in enumerate(ids):
                yield Event(id_, f"{things[min(index, len(things) - 1)]}.{kind}", table.name)


def _named(events: Sequence[Event], word: str) -> list[Event]:
    key = word.strip().lower().replace(" ", "_").replace("-", "_")
    found = [event for event in events if key in {str(event.id), event.name, event.thing, event.table}]
    if found:
        return found
    known = sorted({name for event in events for name in (event.name, event.thing, event.table)})
    near = difflib.get_close_matches(key, known, n=1)
    hint = f"Did you mean {near[0]}? " if near else ""
    raise ConfigError(
        f"there is no event {word[:50]!r}",
        advice=f"{hint}Events are {', '.join(event.name for event in events)}.",
    )
