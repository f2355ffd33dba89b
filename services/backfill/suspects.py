"""Finds the rows of the warehouse that do not go together with what a complete walk saw."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from services.backfill.seen import IdSet
from shared.record import Version
from shared.warehouse.port import StoredVersion, Warehouse

MOST_MISSED: Final = 200_000
"""So many missed rows of a table are held in memory (some 40 MB); the next full crawl goes on."""

MOST_HIDDEN: Final = 1_000


@dataclass(slots=True)
class Suspects:
    """A table's suspicious rows; `rows` is how many it has.

    - `missed`: from before the walk, and not seen by it; `missed_count` of them, in no order.
    - `hidden`: seen, and yet older in the warehouse than they should be, by the version that hides what was
      read: a deletion from before the walk, or a state from before the walk that was compared last.
    """

    rows: int = 0
    missed: list[StoredVersion] = field(default_factory=list)
    missed_count: int = 0
    hidden: dict[str, Version] = field(default_factory=dict)


async def find_suspects(
    warehouse: Warehouse, table: str, seen: IdSet, *, started_us: int, before_us: int | None
) -> Suspects:
    """Look through a table's versions; `before_us` is when the walk began that was compared last."""
    state = await warehouse.state(table)
    suspects = Suspects(rows=state.rows if state else 0)
    async for chunk in warehouse.versions(table, observed_before_us=started_us):
        for row in chunk:
            if row.id not in seen:
                suspects.missed_count += 1
                if len(suspects.missed) < MOST_MISSED:
                    suspects.missed.append(row)
            elif before_us is not None and row.observed_us < before_us:
                _hide(suspects, row)
    async for chunk in warehouse.tombstones(table, observed_before_us=started_us):
        for row in chunk:
            if row.id in seen:
                _hide(suspects, row)
    return suspects


def _hide(suspects: Suspects, row: StoredVersion) -> None:
    # While the writer is far behind, whole tables look like this: the next comparison sees the rest.
    if len(suspects.hidden) < MOST_HIDDEN:
        suspects.hidden[row.id] = Version(row.changed_us, row.observed_us)
