"""What the client of Productive's API did so far, asked at each scrape."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from shared.productive import ProductiveClient
from shared.telemetry.metrics import crawl as metrics


class ApiCollector(Collector):
    """The requests of a client and its copies, and what is left of the limits they share."""

    def __init__(self, client: ProductiveClient, registry: CollectorRegistry) -> None:
        self._client = client
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Called by whoever scrapes, on the event loop."""
        stats = self._client.stats
        for declared, count in (
            (metrics.API_REQUESTS, stats.requests),
            (metrics.API_FAILURES, stats.failures),
            (metrics.API_THROTTLED, stats.throttled),
        ):
            yield CounterMetricFamily(declared.name, declared.help, value=count)
        limit = GaugeMetricFamily(metrics.API_LIMIT.name, metrics.API_LIMIT.help, labels=["window"])
        left = GaugeMetricFamily(metrics.API_LIMIT_LEFT.name, metrics.API_LIMIT_LEFT.help, labels=["window"])
        for budget in self._client.budget_left():
            limit.add_metric([budget.name], budget.limit)
            left.add_metric([budget.name], budget.left)
        yield limit
        yield left
        server_time = self._client.server_time
        declared = metrics.API_SERVER_SECONDS
        used = GaugeMetricFamily(declared.name, declared.help, labels=["period"])
        used.add_metric(["hour"], server_time.used_this_hour)
        used.add_metric(["day"], server_time.used_today)
        yield used
