"""Millions of records from a handful: each is a copy of a prototype with an id and times of its own.

Only the prototypes are in memory. Times grow with the id, over the working hours of five years, so that
change filters and sorts by time can be answered without looking at every record.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from services.sandbox.zone import DAY, HOUR, SECOND, stamp

if TYPE_CHECKING:
    from services.sandbox.storage import Row

_WORKDAYS = 1_300
_OPENING, _HOURS = 7 * HOUR, 10 * HOUR

# How long after its creation a record says that something happened to it. That `updated_at` trails
# `last_activity_at` by about ten seconds was measured on the real API.
_DELAYS = {"created_at": 0, "last_activity_at": 80 * SECOND, "updated_at": 91 * SECOND + 592_000}
SLOTS = (*_DELAYS, "date")


class Bulk:
    """Rows `first_id` to `first_id + count - 1`, the newest shortly before `newest_us`."""

    def __init__(self, prototypes: list[Row], first_id: int, count: int, newest_us: int) -> None:
        self.prototypes = prototypes
        self.first_id = first_id
        self.count = count
        self._per_day = -(-count // _WORKDAYS)
        days = -(-count // self._per_day)
        first = date(1970, 1, 1) + timedelta(days=newest_us // DAY - 1 - days * 7 // 5 - 7)
        self._monday = (first - timedelta(days=first.weekday()) - date(1970, 1, 1)).days

    def __contains__(self, identifier: Any) -> bool:
        return bool(0 <= identifier - self.first_id < self.count)

    def prototype(self, identifier: int) -> int:
        """The index of the prototype that a row copies."""
        return (identifier - self.first_id) % len(self.prototypes)

    def created_us(self, identifier: int) -> int:
        """When a row was created, in microseconds; grows with the id."""
        workday, place = divmod(identifier - self.first_id, self._per_day)
        day = self._monday + workday // 5 * 7 + workday % 5
        return day * DAY + _OPENING + place * _HOURS // self._per_day // 1000 * 1000

    def slots(self, prototype: Row) -> tuple[str, ...]:
        """The attributes that copies of a prototype have of their own: its times, where it has them."""
        return tuple(name for name in SLOTS if prototype.attributes.get(name) is not None)

    def values(self, identifier: int, slots: tuple[str, ...]) -> list[str]:
        """What a row has in these attributes."""
        created = self.created_us(identifier)
        return [stamp(created)[:10] if name == "date" else stamp(created + _DELAYS[name]) for name in slots]

    def row(self, identifier: int) -> Row:
        """The whole row, built anew."""
        prototype = self.prototypes[self.prototype(identifier)]
        created = self.created_us(identifier)
        slots = self.slots(prototype)
        own = dict(zip(slots, self.values(identifier, slots), strict=True))
        return type(prototype)(
            id=identifier,
            attributes=prototype.attributes | own,
            links=prototype.links,
            created_us=created,
            changed_us=created + _DELAYS["updated_at"],
        )
