"""What the writer counts, for Prometheus; `docs/metrics.md` says what to do about each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Literal

from prometheus_client import CollectorRegistry

from services.writer.pending import Taken
from shared.clock import MICROSECONDS
from shared.record import Source
from shared.telemetry.metric import FewNames
from shared.telemetry.metrics import writer as metrics
from shared.warehouse.port import WriteOutcome

_TIMED: Final = (Source.WEBHOOK, Source.BACKFILL)
"""A deletion that a comparison found was observed when its run began: its age says nothing of the writer."""


class WriterMetrics:
    """The writer's metrics, in `registry` or in one of their own. Calls are made on the event loop."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry = registry or CollectorRegistry()
        self._rows = metrics.WRITER_ROWS.counter(registry)
        messages = metrics.WRITER_MESSAGES.counter(registry)
        self._messages = {outcome: messages.labels(outcome) for outcome in ("written", "dead", "returned")}
        self._seconds = metrics.WRITER_WRITE_SECONDS.histogram(registry)
        self._write_rows = metrics.WRITER_WRITE_ROWS.histogram(registry)
        latency = metrics.WRITER_LATENCY_SECONDS.histogram(registry)
        self._latency = {source: latency.labels(source.value) for source in _TIMED}
        self._held = metrics.WRITER_HELD.gauge(registry)
        self._oldest = metrics.WRITER_OLDEST_HELD_SECONDS.gauge(registry)
        self._last_write = metrics.WRITER_LAST_WRITE.gauge(registry)
        self._alive = metrics.WRITER_ALIVE.gauge(registry)
        self._name_of = FewNames()

    def watch(
        self, *, held: Callable[[], int], oldest_seconds: Callable[[], float], alive: Callable[[], bool]
    ) -> None:
        """Have the gauges ask these at each scrape."""
        self._held.set_function(held)
        self._oldest.set_function(oldest_seconds)
        self._alive.set_function(alive)

    def wrote(self, table: str, outcome: WriteOutcome, *, rows: int, seconds: float, now_us: int) -> None:
        """One table's share of a batch was confirmed after `seconds`; it had `rows` rows."""
        name = self._name_of(table)
        counts = {"applied": outcome.applied, "stale": outcome.stale, "refused": len(outcome.refused)}
        for what, count in counts.items():
            if count:
                self._rows.labels(what, name).inc(count)
        self._write_rows.observe(rows)
        self._seconds.observe(seconds)
        self._last_write.set(now_us / MICROSECONDS)

    def kept_out(self, table: str, rows: int) -> None:
        """So many rows were not written, because a purge says so."""
        self._rows.labels("kept_out", self._name_of(table)).inc(rows)

    def settled(self, outcome: Literal["written", "dead", "returned"], count: int = 1) -> None:
        """So many messages came to that."""
        self._messages[outcome].inc(count)

    def durable(self, messages: Sequence[Taken], now_us: int) -> None:
        """What is in these messages is in the warehouse as of `now_us`, on about Productive's clock."""
        for taken in messages:
            latency = self._latency.get(taken.batch.source)
            if latency is not None and taken.batch.records:
                # The records of one message were observed together, or nearly so.
                observed_us = taken.batch.records[0].version.observed_us
                latency.observe(max(0, now_us - observed_us) / MICROSECONDS)
