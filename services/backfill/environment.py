"""Everything the crawl may touch, built once by whoever starts it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from services.backfill.checkpoint import CheckpointStore
from services.backfill.plan import Schedule
from services.backfill.progress import Progress
from services.backfill.seen import SeenIds
from shared.bus.port import Bus
from shared.catalog.selection import SelectedTable
from shared.clock import Clock
from shared.objects.port import Objects
from shared.productive import ProductiveClient
from shared.record.codec import BatchCodec


@dataclass(frozen=True, slots=True)
class ComparisonOutcome:
    """What came of comparing a full walk with the warehouse.

    `deleted` rows were published as deletions, `held_back` ones were not, for the `reason` given.
    """

    deleted: int = 0
    held_back: int = 0
    reason: str = ""


class Comparison(Protocol):
    """Finds the rows that Productive no longer has."""

    async def compare(
        self, table: SelectedTable, seen: SeenIds, run_id: str, started_us: int
    ) -> ComparisonOutcome:
        """Delete the rows that the warehouse has from before the walk, and the walk did not see.

        Called after every complete walk of a whole table; again if the crawl was killed before it noted the
        outcome. `started_us` is when the walk's first page was asked for, on Productive's clock: a row that
        was observed before and not seen since is gone. Returns when the deletions are durable on the bus.
        """
        ...


@dataclass(frozen=True)
class BackfillEnvironment:
    """The crawl's world. `tables` are crawled up to `concurrency` at a time.

    Without a `comparison` rows that are gone from Productive stay.
    """

    client: ProductiveClient
    bus: Bus
    objects: Objects
    codec: BatchCodec
    checkpoints: CheckpointStore
    organization_id: str
    tables: Mapping[str, SelectedTable]
    clock: Clock
    progress: Progress
    concurrency: int = 8
    schedule: Schedule = field(default_factory=Schedule)
    comparison: Comparison | None = None
