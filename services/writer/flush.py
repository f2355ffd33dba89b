"""Writes what is pending, and tells the bus about it: ack, dead letter, or give back."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence

from services.writer.environment import WriterEnvironment
from services.writer.pending import Pending, Taken, all_rows, newest_rows
from services.writer.progress import Progress
from shared.bus.port import Delivery
from shared.errors import HaltedError, OwnerError, RecordError, TransientError
from shared.record import RecordBatch
from shared.telemetry import tracing
from shared.warehouse.port import RefusedRow, Row, TableSchema

log = logging.getLogger(__name__)

_TABLES_AT_ONCE = 8


class Flusher:
    """The writing half of the writer. One flush at a time; it owns the schemas and the brake."""

    def __init__(self, env: WriterEnvironment, progress: Progress) -> None:
        self._env = env
        self._progress = progress
        self._ensured: dict[str, TableSchema] = {}
        self._fates: deque[bool] = deque(maxlen=env.limits.brake_window)

    async def prepare(self) -> None:
        """Make the selected tables, so that a list without records is an empty table and not none."""
        turn = asyncio.Semaphore(_TABLES_AT_ONCE)

        async def ensure(schema: TableSchema) -> None:
            async with turn:
                await self._ensure(schema)

        # Each may wait for a store far away; a store in a file takes them one by one anyway.
        outcomes = await asyncio.gather(*map(ensure, self._env.schemas.selected()), return_exceptions=True)
        for outcome in outcomes:
            if outcome is not None:
                raise outcome

    async def flush(self, pending: Pending) -> None:
        """Write table by table; one that fails does not keep the others from being written.

        Raises `OwnerError` when a person has to act: what was not acked is delivered again later.
        """
        contexts = (
            taken.delivery.message.attributes.get(tracing.TRACEPARENT, "")
            for messages in pending.tables.values()
            for taken in messages
        )
        attributes: tracing.Attributes = {
            "messaging.destination.name": "records",
            "productive.rows": pending.rows,
        }
        with tracing.consumer("process records", contexts, attributes):
            await self._flush(pending)

    async def _flush(self, pending: Pending) -> None:
        for messages in pending.tables.values():
            try:
                await self._write(messages)
            except RecordError as error:
                for taken in messages:
                    await self.reject(taken.delivery, error.message)
            except OwnerError:
                raise
            except TransientError as error:
                log.warning("writing %s failed for now: %s", messages[0].batch.table, error)
                await self._give_back(messages)
            except Exception as error:
                # A bug, or data that no check foresaw: others must not wait for it, and it must not be lost.
                log.exception("writing %s failed", messages[0].batch.table)
                await self._retry_or_reject(messages, f"{type(error).__name__}: {error}")

    async def reject(self, delivery: Delivery, reason: str) -> None:
        """Set a whole message aside."""
        await self._env.bus.dead_letter(delivery.lease_id, reason)
        self._env.observer.dead_lettered(reason)
        self._env.metrics.settled("dead")
        self._progress.confirmed()
        self._settle(good=False)

    async def _write(self, messages: Sequence[Taken]) -> None:
        table = messages[0].batch.table
        found = all_rows if self._env.schemas.keeps_history(table) else newest_rows
        schema, rows = await self._env.schemas.fitted(table, await self._let_in(table, found(messages)))
        clock, metrics = self._env.clock, self._env.metrics
        with tracing.span("warehouse.write", kind="client") as span:
            span.set({"db.collection.name": schema.name, "db.operation.batch.size": len(rows)})
            await self._ensure(schema)
            began = clock.monotonic()
            outcome = await self._env.warehouse.write(schema, rows)
            seconds, now_us = clock.monotonic() - began, clock.now_us()
            counts = {"applied": outcome.applied, "stale": outcome.stale, "refused": len(outcome.refused)}
            span.set({f"productive.rows.{what}": count for what, count in counts.items()})
        for refused in outcome.refused:
            await self._bury(messages[0].batch, rows, refused)
        await self._env.bus.ack([taken.delivery.lease_id for taken in messages])
        self._progress.confirmed()
        metrics.settled("written", len(messages))
        metrics.durable(messages, now_us)
        metrics.wrote(schema.name, outcome, rows=len(rows), seconds=seconds, now_us=now_us)
        for taken in messages:
            if taken.claim is not None:
                await self._env.codec.remove_claim(taken.claim)
            self._settle(good=True)
        self._env.observer.written(
            schema.name, applied=outcome.applied, stale=outcome.stale, refused=len(outcome.refused)
        )

    async def _let_in(self, table: str, rows: Sequence[Row]) -> Sequence[Row]:
        keep_out = self._env.keep_out
        await keep_out.refresh()
        kept_out = sum(keep_out.holds(table, row.record.id) for row in rows)
        if not kept_out:
            return rows
        self._env.observer.kept_out(table, kept_out)
        self._env.metrics.kept_out(table, kept_out)
        return [row for row in rows if not keep_out.holds(table, row.record.id)]

    async def _ensure(self, schema: TableSchema) -> None:
        if self._ensured.get(schema.name) != schema:
            await self._env.warehouse.ensure_table(schema)
            self._ensured[schema.name] = schema

    async def _bury(self, like: RecordBatch, rows: Sequence[Row], refused: RefusedRow) -> None:
        row = rows[refused.index]
        batch = RecordBatch(like.table, like.organization_id, row.source, row.run_id, [row.record])
        for message in await self._env.codec.encode(batch):
            await self._env.bus.bury(message, f"{like.table} {row.record.id}: {refused.reason}")
        self._env.observer.dead_lettered(refused.reason)

    async def _give_back(self, messages: Sequence[Taken]) -> None:
        ids = [taken.delivery.lease_id for taken in messages]
        await self._env.bus.release(ids, delay_seconds=self._env.limits.retry_seconds)
        self._env.metrics.settled("returned", len(ids))

    async def _retry_or_reject(self, messages: Sequence[Taken], reason: str) -> None:
        worn_out = [taken for taken in messages if taken.delivery.attempt >= self._env.limits.attempts]
        await self._give_back([taken for taken in messages if taken not in worn_out])
        for taken in worn_out:
            await self.reject(taken.delivery, reason)

    def _settle(self, *, good: bool) -> None:
        self._fates.append(good)
        bad = self._fates.count(False)
        if len(self._fates) >= self._env.limits.brake_least and bad * 2 > len(self._fates):
            raise HaltedError(
                f"{bad} of the last {len(self._fates)} messages could not be written; the writer has stopped",
                advice="See why with `productive-ingest deadletters list`; after the cause is mended, "
                "`productive-ingest deadletters replay --all` brings them back.",
            )
