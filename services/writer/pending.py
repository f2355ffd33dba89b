"""What the writer has taken from the bus and not yet written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from shared.bus.port import Delivery
from shared.record import Record, RecordBatch
from shared.record.codec import Decoded
from shared.warehouse.port import Row


@dataclass(frozen=True, slots=True)
class Taken:
    """A leased message and the batch that was in it."""

    delivery: Delivery
    batch: RecordBatch
    claim: str | None


@dataclass
class Pending:
    """Messages that will be written together, by table. Acked table by table, once the rows are durable."""

    tables: dict[str, list[Taken]] = field(default_factory=dict)
    rows: int = 0
    bytes: int = 0

    def add(self, delivery: Delivery, decoded: Decoded) -> None:
        """Take one decoded message in."""
        taken = Taken(delivery, decoded.batch, decoded.claim)
        self.tables.setdefault(decoded.batch.table, []).append(taken)
        self.rows += len(decoded.batch.records)
        self.bytes += decoded.bytes

    def lease_ids(self) -> list[str]:
        """Of all messages in here."""
        return [taken.delivery.lease_id for taken in self._all()]

    def __bool__(self) -> bool:
        return bool(self.tables)

    def _all(self) -> Iterable[Taken]:
        return (taken for messages in self.tables.values() for taken in messages)


def all_rows(messages: Sequence[Taken]) -> list[Row]:
    """Every row: where history is kept, what loses is still news."""
    return [
        Row(record, taken.batch.source, taken.batch.run_id)
        for taken in messages
        for record in taken.batch.records
    ]


def newest_rows(messages: Sequence[Taken]) -> list[Row]:
    """One row per id, the one with the largest version: the others would lose in the warehouse anyway."""
    newest: dict[str, Row] = {}
    for taken in messages:
        source, run_id = taken.batch.source, taken.batch.run_id
        for record in taken.batch.records:
            rival = newest.get(record.id)
            if rival is None or _beats(record, rival.record):
                newest[record.id] = Row(record, source, run_id)
    return list(newest.values())


def _beats(record: Record, rival: Record) -> bool:
    return record.version > rival.version
