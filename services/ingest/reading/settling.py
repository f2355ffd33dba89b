"""Ends deliveries: publishes what they led to, then acks them; or sets them aside; or gives them back.

Nothing is acked before what it led to is durable. A crash in between has it all done again, which is
harmless because records are versioned.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence

from services.ingest.reading.environment import ReadingEnvironment
from services.ingest.reading.observing import Outcome
from shared.bus.port import Message
from shared.errors import IngestError
from shared.record import Record, RecordBatch, Source
from shared.telemetry import tracing


class Settler:
    """Both ends of the reading's buses; every batch carries `run_id`."""

    def __init__(self, env: ReadingEnvironment, run_id: str) -> None:
        self._env = env
        self._run_id = run_id

    async def publish(self, records: Mapping[str, Sequence[Record]]) -> None:
        """Return when all records (by table) are durable on the bus. Errors as in `Bus.publish`."""
        messages: list[Message] = []
        with tracing.span("publish records", kind="producer") as span:
            for table, some in records.items():
                batch = RecordBatch(
                    table, self._env.organization_id, Source.WEBHOOK, self._run_id, list(some)
                )
                messages += await self._env.codec.encode(batch)
            if messages:
                span.set(
                    {"messaging.destination.name": "records", "messaging.batch.message_count": len(messages)}
                )
                await self._env.bus.publish(messages)

    async def ack(self, lease_ids: Sequence[str]) -> None:
        """They are done with. Errors as in `Bus.ack`."""
        if lease_ids:
            await self._env.intake.ack(lease_ids)

    async def set_aside(self, table: str, lease_ids: Sequence[str], reason: str) -> None:
        """Into the dead letters, raw as they came, with the reason. Errors as in `Bus.dead_letter`."""
        for lease_id in lease_ids:
            await self._env.intake.dead_letter(lease_id, reason)
            self.count("dead", table, 1)

    async def give_back(self, lease_ids: Sequence[str], *, delay_seconds: float = 0.0) -> None:
        """To be delivered again; where the bus does not answer their leases just end."""
        if lease_ids:
            with contextlib.suppress(IngestError):
                await self._env.intake.release(lease_ids, delay_seconds=delay_seconds)

    def count(self, outcome: Outcome, table: str, count: int) -> None:
        """Tell the observer."""
        if count:
            self._env.observer.settled(outcome, table, count)
