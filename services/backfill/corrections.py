"""What a look beyond the lists led to, published: deletions, and states that a larger version hides.

The larger version wins everywhere, and so a record that came back needs one that is larger than that of its
deletion, although its own change time is from before. `outdo` gives it the hidden version's change time, and
the time of the look as the observation. Any change after that has a later change time and wins as always.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from shared.bus.port import Bus
from shared.catalog.selection import SelectedTable
from shared.productive import Found
from shared.record import Drift, Normalizer, Record, RecordBatch, Source, Version
from shared.record.codec import BatchCodec

_AT_ONCE = 1_000


def outdo(record: Record, hidden_by: Version) -> Record:
    """The record with a version larger than `hidden_by`, if it was observed later; else as it is."""
    observed_us = record.version.observed_us
    if observed_us <= hidden_by.observed_us:
        return record
    version = Version(max(record.version.changed_us, hidden_by.changed_us), observed_us)
    return Record(record.id, record.op, version, record.data)


class Corrections:
    """Publishes what one run found out about records of one organization."""

    def __init__(self, bus: Bus, codec: BatchCodec, organization_id: str, run_id: str) -> None:
        self._bus = bus
        self._codec = codec
        self._organization_id = organization_id
        self._run_id = run_id

    async def upsert(
        self,
        selected: SelectedTable,
        found: Iterable[Found],
        hidden_by: Mapping[str, Version] | None = None,
    ) -> int:
        """Return when the states are durable, and how many; those in `hidden_by` outdo that version.

        What is no record is left out: the crawl has put it into the dead letters. Errors as in `Bus.publish`.
        """
        normalizer = Normalizer(selected.table, selected.columns)
        records: list[Record] = []
        for one in found:
            record = normalizer.normalize(one.resource, one.observed_us, Drift())
            if isinstance(record, Record):
                hidden = (hidden_by or {}).get(record.id)
                records.append(outdo(record, hidden) if hidden else record)
        await self._publish(selected.name, Source.BACKFILL, records)
        return len(records)

    async def delete(self, table: str, deletions: Iterable[tuple[str, Version]]) -> int:
        """Return when the deletions are durable, and how many. Errors as in `Bus.publish`."""
        records = [Record(id_, "delete", version) for id_, version in deletions]
        await self._publish(table, Source.DELETION, records)
        return len(records)

    async def _publish(self, table: str, source: Source, records: Sequence[Record]) -> None:
        for start in range(0, len(records), _AT_ONCE):
            some = list(records[start : start + _AT_ONCE])
            batch = RecordBatch(table, self._organization_id, source, self._run_id, some)
            await self._bus.publish(await self._codec.encode(batch))
