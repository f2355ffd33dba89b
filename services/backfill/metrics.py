"""What the crawl counts, for Prometheus; `docs/metrics.md` says what to do about each."""

from __future__ import annotations

from typing import NamedTuple

from prometheus_client import CollectorRegistry

from services.backfill.checkpoint import Status, TableCheckpoint
from services.backfill.progress import Progress
from shared.clock import MICROSECONDS
from shared.telemetry.metric import FewNames
from shared.telemetry.metrics import crawl as metrics


class _Counts(NamedTuple):
    pages: int = 0
    records: int = 0
    rejected: int = 0


class CrawlMetrics:
    """The crawl's metrics, in `registry` or in one of their own. Calls are made on the event loop."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry = registry or CollectorRegistry()
        self._counters = (
            metrics.CRAWL_PAGES.counter(registry),
            metrics.CRAWL_RECORDS.counter(registry),
            metrics.CRAWL_REJECTED.counter(registry),
        )
        self._tables = metrics.CRAWL_TABLES.counter(registry)
        self._finished = metrics.CRAWL_FINISHED.gauge(registry)
        self._name_of = FewNames()

    def watching(self, progress: Progress) -> Progress:
        """A `Progress` for one crawl that counts what it is told, and passes it on."""
        return _Counting(self, progress)

    def grew(self, table: str, before: _Counts, now: _Counts) -> None:
        """A table's counts went from `before` to `now`, or began again at 0 in between."""
        name = self._name_of(table)
        for counter, old, new in zip(self._counters, before, now, strict=True):
            if grown := new - old if new >= old else new:
                counter.labels(name).inc(grown)

    def ended(self, checkpoint: TableCheckpoint) -> None:
        """A table's crawl came to an end, good or bad."""
        self._tables.labels(checkpoint.status.value).inc()
        if checkpoint.status is Status.DONE and checkpoint.finished_us is not None:
            name = self._name_of(checkpoint.table)
            self._finished.labels(name).set(checkpoint.finished_us / MICROSECONDS)


class _Counting:
    """See `CrawlMetrics.watching`."""

    def __init__(self, metrics: CrawlMetrics, inner: Progress) -> None:
        self._metrics = metrics
        self._inner = inner
        self._counts: dict[str, _Counts] = {}

    def table_started(self, checkpoint: TableCheckpoint) -> None:
        # What a killed crawl had read was counted by the process that was killed.
        self._counts[checkpoint.table] = _counts(checkpoint)
        self._inner.table_started(checkpoint)

    def page_published(self, checkpoint: TableCheckpoint) -> None:
        self._grew(checkpoint)
        self._inner.page_published(checkpoint)

    def table_finished(self, checkpoint: TableCheckpoint) -> None:
        self._grew(checkpoint)
        self._metrics.ended(checkpoint)
        self._inner.table_finished(checkpoint)

    def _grew(self, checkpoint: TableCheckpoint) -> None:
        now = _counts(checkpoint)
        self._metrics.grew(checkpoint.table, self._counts.get(checkpoint.table, now), now)
        self._counts[checkpoint.table] = now


def _counts(checkpoint: TableCheckpoint) -> _Counts:
    return _Counts(checkpoint.pages, checkpoint.records, checkpoint.rejected)
