"""Watches changes arrive in the warehouse: when did the row show what happened in Productive?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.clock import MICROSECONDS, Clock
from shared.record.model import OwnColumn
from shared.warehouse import QueryableWarehouse


@dataclass
class Awaited:
    """A change that happened at `at_us` on Productive's clock; `seconds` is how long it took to be seen."""

    text: str
    table: str
    id: str
    deleted: bool
    at_us: int
    seconds: float | None = None


class Watch:
    """Looks for awaited changes; a row shows one when it was read at the change's time or later."""

    def __init__(self, warehouse: QueryableWarehouse, clock: Clock) -> None:
        self._warehouse = warehouse
        self._clock = clock
        self.changes: list[Awaited] = []

    def expect(self, change: Awaited) -> None:
        """Wait for a change. A deletion ends the wait for what happened to the record before."""
        if change.deleted:
            self.changes = [
                one
                for one in self.changes
                if one.seconds is not None or (one.table, one.id) != (change.table, change.id)
            ]
        self.changes.append(change)

    @property
    def missing(self) -> int:
        """How many have not been seen yet."""
        return sum(change.seconds is None for change in self.changes)

    async def look(self) -> None:
        """Look once for everything that has not been seen."""
        tables = defaultdict[str, list[Awaited]](list)
        for change in self.changes:
            if change.seconds is None:
                tables[change.table].append(change)
        for table, changes in tables.items():
            read_at = await self._read_at(table, [change.id for change in changes])
            now_us = self._clock.now_us()
            for change in changes:
                seen = read_at.get(change.id)
                if seen is None if change.deleted else seen is not None and seen >= change.at_us:
                    change.seconds = max(0, now_us - change.at_us) / MICROSECONDS

    async def _read_at(self, table: str, ids: Sequence[str]) -> Mapping[str, int]:
        """When the rows of these ids were read, in µs; ids without a row are left out."""
        marks = ", ".join("?" * len(ids))
        found = await self._warehouse.query(
            f'select id, epoch_us({OwnColumn.SYNCED_AT}) from "{table}" where id in ({marks})',  # noqa: S608 -- a table of the catalog
            ids,
        )
        return dict(found.rows)
