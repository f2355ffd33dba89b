"""From a page of an API's list to the bus: normalized, published, and what is no record set aside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shared.bus.port import Bus, Message
from shared.catalog.selection import SelectedTable
from shared.record.codec import BatchCodec
from shared.record.model import Record, RecordBatch, Source
from shared.record.normalize import Drift, Normalizer, Rejected
from shared.record.values import json_text

_LOOK_AT_EVERY = 10


@dataclass(frozen=True, slots=True)
class PublishedPage:
    """How many of a page's resources are on the bus, how many in its dead letters, and what drifted."""

    records: int
    rejected: int
    drift: Drift


class PagePublisher:
    """Publishes the pages of one table that one run reads."""

    def __init__(
        self,
        selected: SelectedTable,
        *,
        organization_id: str,
        source: Source,
        run_id: str,
        bus: Bus,
        codec: BatchCodec,
    ) -> None:
        self._table = selected.name
        self._normalizer = Normalizer(selected.table, selected.columns)
        self._organization_id = organization_id
        self._source = source
        self._run_id = run_id
        self._bus = bus
        self._codec = codec

    async def publish(self, resources: Sequence[Any], observed_us: int) -> PublishedPage:
        """Return when everything is durable; `observed_us` is when the page was asked for.

        Raises what the bus and the objects raise; then the page may be published again, which is harmless.
        """
        drift = Drift()
        records: list[Record] = []
        rejected: list[Rejected] = []
        for resource in resources:
            result = self._normalizer.normalize(resource, observed_us, drift)
            if isinstance(result, Record):
                records.append(result)
            else:
                rejected.append(result)
        drift.look(resources[::_LOOK_AT_EVERY])
        batch = RecordBatch(self._table, self._organization_id, self._source, self._run_id, records)
        await self._bus.publish(await self._codec.encode(batch))
        for reject in rejected:
            await self._bus.bury(self._as_message(reject), f"{self._table}: {reject.reason}")
        return PublishedPage(len(records), len(rejected), drift)

    def _as_message(self, rejected: Rejected) -> Message:
        attributes = {
            "table": self._table,
            "source": self._source,
            "encoding": "resource",
            "organization_id": self._organization_id,
        }
        return Message(json_text(self._normalizer.redacted(rejected.resource)).encode(), attributes)
