"""What the receiver and the reading count, for Prometheus; `docs/metrics.md` says what to do about each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from shared.telemetry.metric import FewNames
from shared.telemetry.metrics import intake as metrics

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST


class ReceiverMetrics:
    """The receiver's and the reading's metrics. Is a `ReadingObserver`, too.

    They are put into `registry`, together with those of whatever else runs in the process; into one of their
    own by default. Calls must be made on the event loop; none blocks.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry = registry or CollectorRegistry()

        deliveries = metrics.RECEIVER_DELIVERIES.counter(registry)
        self._accepted = deliveries.labels("accepted")
        self._spooled = deliveries.labels("spooled")
        self._duplicate = deliveries.labels("duplicate")
        self._refused = metrics.RECEIVER_REFUSED.counter(registry)
        self._shed = metrics.RECEIVER_SHED.counter(registry)
        self._bytes = metrics.RECEIVER_BODY_BYTES.counter(registry)
        self._answer = metrics.RECEIVER_ANSWER_SECONDS.histogram(registry)
        self._closed = metrics.RECEIVER_CONNECTIONS_CLOSED.counter(registry)
        self._swept = metrics.RECEIVER_SWEPT.counter(registry)
        self._set_aside = metrics.RECEIVER_UNREADABLE.counter(registry)
        self._connections = metrics.RECEIVER_CONNECTIONS.gauge(registry)
        self._bodies = metrics.RECEIVER_BODIES_BYTES.gauge(registry)
        self._intake_up = metrics.RECEIVER_INTAKE_UP.gauge(registry)
        self._spool_up = metrics.RECEIVER_SPOOL_UP.gauge(registry)
        self._spool_bytes = metrics.RECEIVER_SPOOL_BYTES.gauge(registry)

        self._settled = metrics.READING_SETTLED.counter(registry)
        self._read = metrics.READING_REQUEST_SECONDS.histogram(registry)
        self._waiting = metrics.READING_WAITING.gauge(registry)
        self._name_of = FewNames()

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
        self._settled.labels(outcome, self._name_of(table)).inc(count)

    def read_took(self, seconds: float) -> None:
        """See `ReadingObserver.read_took`."""
        self._read.observe(seconds)

    def waiting(self, count: int) -> None:
        """See `ReadingObserver.waiting`."""
        self._waiting.set(count)

    def exposition(self) -> bytes:
        """All of it in the text form that Prometheus scrapes; `CONTENT_TYPE` names it."""
        return generate_latest(self.registry)
