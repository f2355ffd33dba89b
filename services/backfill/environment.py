"""Everything the crawl may touch, built once by whoever starts it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from services.backfill.checkpoint import CheckpointStore
from services.backfill.progress import Progress
from shared.bus.port import Bus
from shared.catalog.selection import SelectedTable
from shared.clock import Clock
from shared.objects.port import Objects
from shared.productive import ProductiveClient
from shared.record.codec import BatchCodec


@dataclass(frozen=True)
class BackfillEnvironment:
    """The crawl's world. `tables` are crawled up to `concurrency` at a time."""

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
