"""Many hints at one record become one reading of it.

A reading shows whatever happened before it was sent. So it settles every hint that was here before it was
taken up; and of those that came while it was under way only the ones whose event had happened, by a margin
that clocks may differ by, before the request left. The others wait for a reading of their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from services.ingest.reading.hint import Hint
from shared.clock import MICROSECONDS

CLOCK_MARGIN_US: Final = 2 * MICROSECONDS
"""By how much a request must have left after an event to show it surely, when only their times tell."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A leased delivery that waits for its record to be read; `traceparent` is the context it came with."""

    lease_id: str
    happened_us: int
    traceparent: str = ""


@dataclass(slots=True)
class Pending:
    """A record that has to be read, and the deliveries that wait for it.

    `alone`: it is to be read by itself, because a list did not have it.
    """

    table: str
    id: str
    waiting: list[Waiting] = field(default_factory=list)
    alone: bool = False

    @property
    def lease_ids(self) -> list[str]:
        """Of all deliveries that wait for it."""
        return [one.lease_id for one in self.waiting]

    @property
    def happened_us(self) -> int:
        """A time by which all that is told of it had happened."""
        return max(one.happened_us for one in self.waiting)


class Coalescer:
    """The records that have to be read, oldest first; at most one reading of each is under way."""

    def __init__(self) -> None:
        self._pending: dict[str, dict[str, Pending]] = {}
        self._under_way: dict[tuple[str, str], Pending] = {}
        self._count = 0
        self._counts: Counter[str] = Counter()

    @property
    def count(self) -> int:
        """How many deliveries are in here."""
        return self._count

    def count_of(self, table: str) -> int:
        """How many deliveries wait for records of the table, not counting readings under way."""
        return self._counts[table]

    def lease_ids(self) -> list[str]:
        """Of all deliveries in here."""
        everything = [
            *self._under_way.values(),
            *(p for by_id in self._pending.values() for p in by_id.values()),
        ]
        return [lease_id for pending in everything for lease_id in pending.lease_ids]

    def tables(self) -> list[str]:
        """Tables with records that have to be read."""
        return list(self._pending)

    def add(self, hint: Hint, lease_id: str, traceparent: str = "") -> None:
        """One more delivery that tells of a record."""
        by_id = self._pending.setdefault(hint.table, {})
        pending = by_id.setdefault(hint.id, Pending(hint.table, hint.id))
        pending.waiting.append(Waiting(lease_id, hint.happened_us, traceparent))
        self._count += 1
        self._counts[hint.table] += 1

    def take(self, table: str, most: int, *, alone: bool | None = None) -> list[Pending]:
        """Up to `most` records to be read now: those to be read `alone`, those not, or any.

        Every one has to come back by `finish`, `drop` or `put_back`.
        """
        taken: list[Pending] = []
        for pending in self._ready(table):
            if len(taken) == most:
                break
            if alone is None or pending.alone is alone:
                taken.append(pending)
        for pending in taken:
            self._forget(pending)
            self._counts[table] -= len(pending.waiting)
            self._under_way[pending.table, pending.id] = pending
        return taken

    def finish(self, pending: Pending, observed_us: int) -> list[str]:
        """The record was read by a request sent at `observed_us`: the leases that this settles."""
        settled = self.drop(pending)
        later = self._pending.get(pending.table, {}).get(pending.id)
        if later is not None:
            border_us = observed_us - CLOCK_MARGIN_US
            shown = [one for one in later.waiting if one.happened_us <= border_us]
            later.waiting = [one for one in later.waiting if one.happened_us > border_us]
            if not later.waiting:
                self._forget(later)
            self._count -= len(shown)
            self._counts[pending.table] -= len(shown)
            settled += [one.lease_id for one in shown]
        return settled

    def drop(self, pending: Pending) -> list[str]:
        """The reading came to nothing: the leases that waited for it. What came since stays."""
        del self._under_way[pending.table, pending.id]
        self._count -= len(pending.waiting)
        return pending.lease_ids

    def put_back(self, pending: Pending, *, alone: bool) -> None:
        """The record still has to be read, together with what came since."""
        del self._under_way[pending.table, pending.id]
        by_id = self._pending.setdefault(pending.table, {})
        later = by_id.get(pending.id)
        by_id[pending.id] = Pending(
            pending.table, pending.id, [*pending.waiting, *(later.waiting if later else ())], alone
        )
        self._counts[pending.table] += len(pending.waiting)

    def shed(self, table: str, keep: int) -> list[str]:
        """Let go of the table's latest records until at most `keep` deliveries wait: their leases."""
        shed: list[str] = []
        for pending in reversed(list(self._pending.get(table, {}).values())):
            if self._counts[table] <= keep:
                break
            self._forget(pending)
            self._counts[table] -= len(pending.waiting)
            self._count -= len(pending.waiting)
            shed += pending.lease_ids
        return shed

    def _ready(self, table: str) -> Iterator[Pending]:
        by_id = self._pending.get(table, {})
        return (pending for pending in by_id.values() if (table, pending.id) not in self._under_way)

    def _forget(self, pending: Pending) -> None:
        by_id = self._pending[pending.table]
        del by_id[pending.id]
        if not by_id:
            del self._pending[pending.table]
