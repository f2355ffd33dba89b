"""What the steps of a load do things with: finding records, and changing them with a sentence about it."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, TypeVar

from services.sandbox.history import name_of
from services.sandbox.load.references import References
from services.sandbox.organization import Kind, Organization
from services.sandbox.schema import load_schema
from services.sandbox.storage import Link, Ref, Row
from services.sandbox.world.builder import plain
from services.sandbox.zone import local_day

_TRIES = 40
_RECENT = 20
# What a copy does not share with its model: it happened to the other record, or is its alone.
_OWN = frozenset(
    {"created_at", "updated_at", "last_activity_at", "closed_at", "archived_at", "external_id", "email_key"}
)

_Item = TypeVar("_Item")


@dataclass(frozen=True)
class LoadEvent:
    """One change: `text` says in a sentence what somebody did."""

    kind: Kind
    table: str
    id: str
    text: str
    step: str = ""


class Agency:
    """The organization in the hands of those who work in it. `growth` bounds how many records are added."""

    def __init__(self, organization: Organization, *, seed: int, growth: int) -> None:
        self.organization = organization
        self.random = random.Random(f"load {seed}")  # noqa: S311 -- made to be repeatable
        self._references = References(organization)
        self._schema = load_schema()
        self._ceilings = {table: organization.count(table) + growth for table in organization.tables}

    @property
    def today(self) -> date:
        """The organization's date."""
        return date.fromisoformat(local_day(self.organization.now_us()))

    def day(self, *, ahead: int = 0) -> str:
        """A day from today, as the API prints it."""
        return (self.today + timedelta(days=ahead)).isoformat()

    def choice(self, items: Sequence[_Item]) -> _Item:
        """One of them."""
        return items[int(self.random.random() * len(items))]

    def pick(self, table: str, wanted: Callable[[Row], bool] = lambda _row: True) -> Row | None:
        """Some record, if one that is wanted is found soon."""
        rows = self.organization.rows(table)
        for _ in range(_TRIES if rows.ids else 0):
            row = rows.row(self.choice(rows.ids))
            if wanted(row):
                return row
        return None

    def unneeded(self, table: str, wanted: Callable[[Row], bool] = lambda _row: True) -> Row | None:
        """Some record that nobody refers to, rather one of the newest."""
        rows = self.organization.rows(table)
        for attempt in range(_TRIES if rows.ids else 0):
            row = rows.row(self.choice(rows.ids[-_RECENT:] if attempt % 2 else rows.ids))
            if not self._references.lead_to(table, row.id) and wanted(row):
                return row
        return None

    def colleague(self) -> Row | None:
        """Somebody who works here."""
        return self.pick(
            "people", lambda row: bool(row.attributes["is_user"]) and row.attributes["archived_at"] is None
        )

    def end(self, row: Row, relation: str) -> Row | None:
        """The record that a to-one relationship leads to."""
        link = row.links.get(relation)
        return self.organization.rows(link.table).get(link.id) if isinstance(link, Ref) else None

    def name(self, row: Row | None, otherwise: str = "somebody") -> str:
        """What people call a record."""
        return (name_of(row.attributes) if row else None) or otherwise

    def scaled(self, row: Row, name: str, factor: float) -> dict[str, Any]:
        """An amount times a factor, in all the currencies in which a record tells it."""
        names = (name, f"{name}_default", f"{name}_normalized")
        return {
            field: plain(float(row.attributes[field] or 0) * factor)
            for field in names
            if field in row.attributes
        }

    def create_like(
        self,
        table: str,
        model: Row,
        attributes: Mapping[str, Any],
        links: Mapping[str, Row | Ref | None] | None = None,
    ) -> str | None:
        """Add a record that is like another except for what is given; None when the table is full.

        It belongs to the same records as its model, but nothing belongs to it: its lists are empty.
        """
        if self.organization.count(table) >= self._ceilings[table]:
            return None
        values = {name: value for name, value in model.attributes.items() if name not in _OWN}
        ends = {name: self._shared(link) for name, link in model.links.items()}
        ends |= self._ends(table, links or {})
        return self.organization.put(
            table,
            attributes={**values, **attributes, **self._echo(table, ends)},
            relationships=ends,
        )

    def change(
        self,
        table: str,
        row: Row,
        attributes: Mapping[str, Any],
        links: Mapping[str, Row | Ref | None] | None = None,
    ) -> str:
        """Change a record; returns its id."""
        ends = self._ends(table, links or {})
        values = {**attributes, **self._echo(table, ends)}
        return self.organization.put(table, row.id, attributes=values, relationships=ends)

    def remove(self, table: str, row: Row, text: str) -> LoadEvent:
        """Delete a record, and say so."""
        self.organization.remove(table, row.id)
        return LoadEvent("delete", table, str(row.id), text)

    def _shared(self, link: Link) -> Any:
        if isinstance(link, Ref) and self.organization.resolve(link):
            return tuple(link)
        return [] if isinstance(link, tuple) and not isinstance(link, Ref) else None

    def _ends(self, table: str, links: Mapping[str, Row | Ref | None]) -> dict[str, Any]:
        """Relationships as the organization takes them; a row is one of the table that is pointed at."""
        relations = self._schema[table].relations
        ends: dict[str, Any] = {}
        for name, end in links.items():
            ref = Ref(relations[name].target or "", end.id) if isinstance(end, Row) else end
            ends[name] = None if ref is None else tuple(ref)
        return ends

    def _echo(self, table: str, ends: Mapping[str, Any]) -> dict[str, int | None]:
        """The attributes that say the same as some of these relationships."""
        shared = ((field, field.removesuffix("_id")) for field in self._schema[table].references)
        return {
            field: ends[name][1] if isinstance(ends[name], tuple) else None
            for field, name in shared
            if name in ends
        }
