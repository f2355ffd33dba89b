"""Everything the writer may touch, built once by whoever starts it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from services.writer.metrics import WriterMetrics
from services.writer.schemas import Schemas
from shared.bus.port import Bus
from shared.clock import Clock
from shared.record.codec import BatchCodec
from shared.record.keepout import KeepOut, NothingKeptOut
from shared.warehouse.port import Warehouse


@dataclass(frozen=True)
class WriterLimits:
    """How much is written at once, and when a message is given up.

    A flush happens at `rows` or `bytes` (of uncompressed messages), or `linger_seconds` after its first
    message; while the previous flush is still under way it goes on growing up to these bounds, so
    batches grow when the writer is behind. A message that fails `attempts` times goes to the dead
    letters. When more than half of the last `brake_window` messages went there the writer halts.
    """

    rows: int = 2_500
    bytes: int = 4 << 20
    linger_seconds: float = 0.25
    attempts: int = 5
    retry_seconds: float = 5.0
    extend_seconds: float = 15.0
    brake_window: int = 100
    brake_least: int = 20


class WriterObserver(Protocol):
    """Who wants to know what was written; called on the event loop, must not block."""

    def written(self, table: str, *, applied: int, stale: int, refused: int) -> None:
        """One table's share of a flush is in the warehouse."""
        ...

    def kept_out(self, table: str, records: int) -> None:
        """Records of a flush were not written, because they are on the list of those that must not be."""
        ...

    def dead_lettered(self, reason: str) -> None:
        """A message or a record went to the dead letters."""
        ...


@dataclass
class WriterTotals:
    """What one run of the writer did; the simplest `WriterObserver`. Counts by table are rows."""

    applied: dict[str, int] = field(default_factory=dict)
    stale: int = 0
    refused: int = 0
    kept_out_records: int = 0
    dead_letters: int = 0

    def written(self, table: str, *, applied: int, stale: int, refused: int) -> None:
        """See `WriterObserver.written`."""
        self.applied[table] = self.applied.get(table, 0) + applied
        self.stale += stale
        self.refused += refused

    def kept_out(self, table: str, records: int) -> None:  # noqa: ARG002 -- the count is enough here
        """See `WriterObserver.kept_out`."""
        self.kept_out_records += records

    def dead_lettered(self, reason: str) -> None:  # noqa: ARG002 -- the count is enough here
        """See `WriterObserver.dead_lettered`."""
        self.dead_letters += 1


@dataclass(frozen=True)
class WriterEnvironment:
    """The writer's world."""

    bus: Bus
    warehouse: Warehouse
    codec: BatchCodec
    schemas: Schemas
    clock: Clock
    observer: WriterObserver
    limits: WriterLimits = WriterLimits()
    keep_out: KeepOut = field(default_factory=NothingKeptOut)
    metrics: WriterMetrics = field(default_factory=WriterMetrics)
