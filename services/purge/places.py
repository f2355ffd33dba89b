"""Where records lie, and how they are taken out of there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from services.purge.plan import Plan
from services.purge.subject import Subject
from shared.objects.port import Objects
from shared.warehouse.port import Warehouse

_ROWS_AT_ONCE = 5_000
_LAST = ("users", "people")
"""Who the person is goes last: a purge that was cut off is found again by it."""


@dataclass(frozen=True, slots=True)
class Found:
    """Records that a place holds, or that were taken out; and contents that nobody could read, which stay."""

    records: int = 0
    unreadable: int = 0

    def __add__(self, other: Found) -> Found:
        return Found(self.records + other.records, self.unreadable + other.unreadable)


class Place(Protocol):
    """One of the places. Calls raise what its store raises; a purge that failed may be run again."""

    @property
    def name(self) -> str:
        """The place, for people."""
        ...

    async def count(self, subject: Subject) -> Found:
        """What the place holds of it; nothing is changed."""
        ...

    async def purge(self, subject: Subject) -> Found:
        """Take all of it out, for good."""
        ...


async def purge_warehouse(warehouse: Warehouse, plan: Plan, tables: Iterable[str]) -> int:
    """Remove the plan's rows and those of `tables` that are wholly its own, with their history; how many."""
    subject = plan.subject
    removed = 0
    for table in tables:
        if subject.holds_table(table) and (state := await warehouse.state(table)):
            removed += state.rows
            await warehouse.purge_table(table)
    for table in sorted(subject.rows, key=lambda name: (name in _LAST, name)):
        ids = sorted(subject.rows[table])
        for start in range(0, len(ids), _ROWS_AT_ONCE):
            removed += await warehouse.purge_rows(table, ids[start : start + _ROWS_AT_ONCE])
    return removed


class CrawlState:
    """What crawls remember of whole tables: where they are, what they saw. It holds ids, and no data.

    Rows of a table are forgotten without it: the next full comparison knows nothing of them either.
    """

    name = "the crawls' state"

    def __init__(self, objects: Objects, organization_id: str, keep: Sequence[str]) -> None:
        """`keep` are the objects, by their names below the organization, that belong to no crawl."""
        self._objects = objects
        self._root = f"organizations/{organization_id}/"
        self._keep = {self._root + name for name in keep}

    async def count(self, subject: Subject) -> Found:
        """See `Place.count`."""
        return Found(len(await self._names(subject)))

    async def purge(self, subject: Subject) -> Found:
        """See `Place.purge`."""
        names = await self._names(subject)
        for name in names:
            await self._objects.delete(name)
        return Found(len(names))

    async def _names(self, subject: Subject) -> list[str]:
        if not subject.everything and not subject.tables:
            return []
        names = [name for name in await self._objects.list(self._root) if name not in self._keep]
        if subject.everything:
            return names
        return [name for name in names if _segments(name, self._root) & subject.tables]


def _segments(name: str, root: str) -> set[str]:
    return {segment.partition(".")[0] for segment in name.removeprefix(root).split("/")}
