"""What the receiver and the reading count, for Prometheus; `docs/metrics.md` says what to do about each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

_ANSWER_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_READ_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
_MOST_TABLES = 200
_OTHER_TABLES = "others"


class ReceiverMetrics:
    """All metrics of one process, in a registry of their own. Is a `ReadingObserver`, too.

    Calls must be made on the event loop; none blocks.
    """

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self.registry = registry

        deliveries = Counter(
            "productive_receiver_deliveries",
            "Deliveries that were answered with 200, by what became of them: accepted, spooled, duplicate.",
            ["outcome"],
            registry=registry,
        )
        self._accepted = deliveries.labels("accepted")
        self._spooled = deliveries.labels("spooled")
        self._duplicate = deliveries.labels("duplicate")
        self._refused = Counter(
            "productive_receiver_refused",
            "Requests to the webhooks' address that were refused, by reason.",
            ["reason"],
            registry=registry,
        )
        self._shed = Counter(
            "productive_receiver_shed",
            "Requests that were answered with 503, by what was short: memory, storage, secrets; or error.",
            ["reason"],
            registry=registry,
        )
        self._bytes = Counter(
            "productive_receiver_body_bytes",
            "Bytes of the bodies that were answered with 200.",
            registry=registry,
        )
        self._answer = Histogram(
            "productive_receiver_answer_seconds",
            "From the head of a request to the webhooks' address to its answer.",
            buckets=_ANSWER_SECONDS,
            registry=registry,
        )
        self._closed = Counter(
            "productive_receiver_connections_closed",
            "Connections that were closed to make room for others.",
            registry=registry,
        )
        self._swept = Counter(
            "productive_receiver_swept", "Deliveries that went from the spool to the bus.", registry=registry
        )
        self._set_aside = Counter(
            "productive_receiver_unreadable",
            "Objects of the spool that could not be read and were moved to spool-unreadable/.",
            registry=registry,
        )
        self._connections = Gauge("productive_receiver_connections", "Open connections.", registry=registry)
        self._bodies = Gauge(
            "productive_receiver_bodies_bytes", "Bytes of bodies in memory.", registry=registry
        )
        self._intake_up = Gauge(
            "productive_receiver_intake_up",
            "1 while the intake bus takes deliveries, 0 after it failed.",
            registry=registry,
        )
        self._spool_up = Gauge(
            "productive_receiver_spool_up",
            "1 while the objects take deliveries (or none had to go there), 0 after they failed.",
            registry=registry,
        )
        self._spool_bytes = Gauge(
            "productive_receiver_spool_bytes", "Bytes that are kept in the spool.", registry=registry
        )

        self._settled = Counter(
            "productive_reading_settled",
            "Deliveries the reading is done with, by table and outcome: published (the payload was whole), "
            "reread, deleted, skipped, dead.",
            ["outcome", "table"],
            registry=registry,
        )
        self._read = Histogram(
            "productive_reading_request_seconds",
            "How long Productive took to answer a request for changed records.",
            buckets=_READ_SECONDS,
            registry=registry,
        )
        self._waiting = Gauge(
            "productive_reading_waiting",
            "Deliveries held that wait for their record to be read again.",
            registry=registry,
        )
        self._tables: set[str] = set()

    def accepted(self, size: int) -> None:
        """A delivery of `size` bytes is on the bus."""
        self._accepted.inc()
        self._bytes.inc(size)

    def spooled(self, size: int) -> None:
        """A delivery of `size` bytes is in the spool."""
        self._spooled.inc()
        self._bytes.inc(size)

    def duplicate(self, size: int) -> None:
        """A delivery of `size` bytes was accepted before."""
        self._duplicate.inc()
        self._bytes.inc(size)

    def refused(self, reason: str) -> None:
        """A request was refused; the reasons are a closed set."""
        self._refused.labels(reason).inc()

    def shed(self, reason: str) -> None:
        """A request was answered with 503; the reasons are a closed set."""
        self._shed.labels(reason).inc()

    def answered(self, seconds: float) -> None:
        """A request to the webhooks' address was answered, whatever the answer."""
        self._answer.observe(seconds)

    def connection_closed(self) -> None:
        """A connection had to make room."""
        self._closed.inc()

    def swept(self, count: int) -> None:
        """So many deliveries went from the spool to the bus."""
        self._swept.inc(count)

    def set_aside(self) -> None:
        """An object of the spool could not be read."""
        self._set_aside.inc()

    def watch(
        self,
        *,
        connections: Callable[[], float],
        bodies: Callable[[], float],
        intake_up: Callable[[], float],
        spool_up: Callable[[], float],
        spool: Callable[[], float],
    ) -> None:
        """Have the gauges ask these at each scrape."""
        self._connections.set_function(connections)
        self._bodies.set_function(bodies)
        self._intake_up.set_function(intake_up)
        self._spool_up.set_function(spool_up)
        self._spool_bytes.set_function(spool)

    def settled(self, outcome: str, table: str, count: int) -> None:
        """See `ReadingObserver.settled`."""
        if table not in self._tables:
            if len(self._tables) >= _MOST_TABLES:
                table = _OTHER_TABLES
            self._tables.add(table)
        self._settled.labels(outcome, table).inc(count)

    def read_took(self, seconds: float) -> None:
        """See `ReadingObserver.read_took`."""
        self._read.observe(seconds)

    def waiting(self, count: int) -> None:
        """See `ReadingObserver.waiting`."""
        self._waiting.set(count)

    def exposition(self) -> bytes:
        """All of it in the text form that Prometheus scrapes; `CONTENT_TYPE` names it."""
        return generate_latest(self.registry)
