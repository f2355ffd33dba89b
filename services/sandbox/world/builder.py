"""The table on which a world is built: rows are added with what matters, the rest has sensible defaults."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, TypeVar

from services.sandbox.schema import Schema
from services.sandbox.storage import Link, Ref, Row, Table
from services.sandbox.world.defaults import blank_attributes
from services.sandbox.zone import DAY, HOUR, midnight, stamp

# `updated_at` trails `last_activity_at` by some ten seconds, as measured on the real API.
_TRAIL = 11_592_000

_Item = TypeVar("_Item")


class World:
    """Rows in tables, one source of chance, and one idea of today."""

    def __init__(self, schema: Schema, *, seed: int, people: int, today: date) -> None:
        self.schema = schema
        self.people = people
        self.random = random.Random(f"agency {seed}")  # noqa: S311 -- made to be repeatable
        self.today = today
        self.now_us = evening(today)
        self.tables: dict[str, Table] = {resource.name: Table() for resource in schema if resource.listable}
        # `/boards` and `/folders` are two names for the same records.
        self.tables["boards"] = self.tables["folders"]
        self.home = Ref("organizations", 0)
        self.caller = Ref("people", 0)
        self._blanks = {name: blank_attributes(schema[name]) for name in self.tables}
        self._unlinked: dict[str, dict[str, Link]] = {
            name: {
                relation.name: () if relation.many else None for relation in schema[name].relations.values()
            }
            for name in self.tables
        }
        self._next = {name: 11_000 + 7_300 * place for place, name in enumerate(self.tables)}

    def add(
        self,
        table: str,
        attributes: Mapping[str, Any] | None = None,
        links: Mapping[str, Link | Row] | None = None,
        *,
        at: int | None = None,
        changed: int | None = None,
    ) -> Row:
        """Add a row created `at`, last changed at `changed` (microseconds; default: some day in the past)."""
        latest = self.now_us - _TRAIL
        created = min(at, latest) if at is not None else latest - self.random.randrange(200, 900) * DAY
        last = min(max(changed or created, created), latest)
        identifier = self._next[table]
        self._next[table] = identifier + 1 + int(self.random.random() * 6)
        values = dict(self._blanks[table])
        if "created_at" in values:
            values["created_at"] = stamp(created)
        if "last_activity_at" in values:
            values["last_activity_at"] = stamp(last)
        if "updated_at" in values:
            values["updated_at"] = stamp(last + _TRAIL)
        unlinked = self._unlinked[table]
        ends: dict[str, Link] = dict(unlinked)
        if "organization" in ends:
            ends["organization"] = self.home
        for name, end in (links or {}).items():
            ends[name] = self._end(table, name, end)
        values.update(attributes or {})
        if len(values) != len(self._blanks[table]) or len(ends) != len(unlinked):
            unknown = (values.keys() - self._blanks[table].keys()) | (ends.keys() - unlinked.keys())
            raise KeyError(f"{table} has no {', '.join(sorted(unknown))}")
        row = Row(identifier, values, ends, created, last + _TRAIL)
        self.tables[table].append(row)
        return row

    def _end(self, table: str, name: str, end: Link | Row) -> Link:
        """A link; a row given instead is linked in the table that the relationship points at."""
        if not isinstance(end, Row):
            return end
        relation = self.schema[table].relations[name]
        if relation.target is None:
            raise KeyError(f"{table}.{name} has no fixed target")
        return Ref(relation.target, end.id)

    def rows(self, table: str) -> list[Row]:
        """The rows of a table so far, in order."""
        return list(self.tables[table].rows.values())

    def money(self, table: str, rate: float = 1.0, **amounts: float) -> dict[str, Any]:
        """Amounts in minor units, each three times: as agreed, in the organization's currency, normalized.

        `rate` leads from the row's currency to the organization's. A variant the resource lacks is left out.
        """
        known = self._blanks[table]
        result: dict[str, Any] = {}
        for name, amount in amounts.items():
            result[name] = plain(amount)
            for variant in (f"{name}_default", f"{name}_normalized"):
                if variant in known:
                    result[variant] = plain(amount * rate)
        return result

    def currency(self, table: str, code: str) -> dict[str, str]:
        """The currency of a row, in its variants."""
        known = self._blanks[table]
        return {
            name: value
            for name, value in (
                ("currency", code),
                ("currency_default", "EUR"),
                ("currency_normalized", "EUR"),
            )
            if name in known
        }

    def choice(self, items: Sequence[_Item]) -> _Item:
        """One of them."""
        return items[int(self.random.random() * len(items))]

    def chance(self, probability: float) -> bool:
        """True that often."""
        return self.random.random() < probability

    def day(self, *, ago: int) -> date:
        """A day in the past."""
        return self.today - timedelta(days=ago)

    def at(self, day: date, hour: float = 9.0) -> int:
        """An instant on a day, in microseconds, with some odd milliseconds."""
        return midnight(day) + int(hour * HOUR) + int(self.random.random() * 3_600_000) * 1_000

    def workday(self, day: date) -> date:
        """The day itself, or the Friday before its weekend."""
        return day - timedelta(days=max(0, day.weekday() - 4))


def evening(day: date) -> int:
    """When a world's history ends on its last day, in microseconds."""
    return midnight(day) + 17 * HOUR


def plain(amount: float) -> int | float:
    """A number as the API prints it: whole where it is whole, else with up to five decimals."""
    rounded = round(amount, 5)
    return int(rounded) if rounded == int(rounded) else rounded


def iso(day: date | None) -> str | None:
    """A date as the API prints it."""
    return day.isoformat() if day else None
