"""Everything the reading may touch, built once by whoever starts it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.ingest.reading.observing import ReadingObserver, SilentObserver
from shared.bus.port import Bus
from shared.catalog.model import Table
from shared.catalog.selection import SelectedTable
from shared.clock import Clock
from shared.productive import ProductiveClient
from shared.record.codec import BatchCodec


@dataclass(frozen=True)
class ReadingLimits:
    """How much is done at once, and when something is given up. Times in seconds."""

    pull_messages: int = 500
    """How many deliveries are taken from the intake bus at once."""

    pull_bytes: int = 16 << 20
    """How many bytes of them; more only if one alone is larger. Their bodies are not kept."""

    held: int = 20_000
    """How many deliveries may wait for their records to be read; the others are given back for a while."""

    held_share: float = 0.25
    """The share of `held` that one table may take, so that a burst for one does not keep out the others."""

    held_resting: int = 200
    """How many of a table that cannot be read at the moment."""

    concurrency: int = 4
    """How many readings may be under way at once, of all tables together."""

    attempts: int = 5
    """How often an answer that makes no sense is asked for before the deliveries are given up."""

    first_pause: float = 1.0
    longest_pause: float = 60.0
    """How long a table is left alone after a failure: doubling from the first to the longest."""

    overflow_pause: float = 1.0
    overflow_longest_pause: float = 120.0
    """For how long deliveries beyond these bounds are given back: doubling with each time."""

    idle: float = 0.5
    """How long a look at an empty bus lasts."""

    extend: float = 15.0
    """How often leases are extended; well below the bus's lease."""

    stop: float = 3.0
    """How long a stop waits for readings that are under way."""


@dataclass(frozen=True)
class ReadingEnvironment:
    """The reading's world.

    `intake` is the bus of deliveries, `bus` that of records. `client` should reserve nothing of
    Productive's limits, so that a crawl beside it can leave it a share.
    """

    client: ProductiveClient
    intake: Bus
    bus: Bus
    codec: BatchCodec
    catalog: Mapping[str, Table]
    tables: Mapping[str, SelectedTable]
    organization_id: str
    clock: Clock
    observer: ReadingObserver = field(default_factory=SilentObserver)
    limits: ReadingLimits = ReadingLimits()
