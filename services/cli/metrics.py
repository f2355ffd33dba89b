"""The metrics of one process: of all services that run in it, in one registry."""

from __future__ import annotations

import platform
from functools import cached_property
from importlib import metadata

from prometheus_client import CollectorRegistry

from services.backfill.metrics import CrawlMetrics
from services.ingest.receiver.metrics import ReceiverMetrics
from services.writer.metrics import WriterMetrics
from shared.productive import ProductiveClient
from shared.telemetry.api import ApiCollector
from shared.telemetry.buses import BusMetrics
from shared.telemetry.metrics.process import BUILD_INFO


class ProcessMetrics:
    """Each service's metrics are made when it is asked for them, so that others do not show zeros."""

    @cached_property
    def registry(self) -> CollectorRegistry:
        """What `/metrics` shows."""
        registry = CollectorRegistry()
        version = metadata.version("productive-ingest")
        BUILD_INFO.gauge(registry).labels(version, platform.python_version()).set(1)
        return registry

    @cached_property
    def receiver(self) -> ReceiverMetrics:
        """Those of the receiver and the reading."""
        return ReceiverMetrics(self.registry)

    @cached_property
    def writer(self) -> WriterMetrics:
        """Those of the writer."""
        return WriterMetrics(self.registry)

    @cached_property
    def crawl(self) -> CrawlMetrics:
        """Those of the crawls."""
        return CrawlMetrics(self.registry)

    @cached_property
    def buses(self) -> BusMetrics:
        """Those of the buses; somebody has to `watch` them."""
        return BusMetrics(self.registry)

    def watch_api(self, client: ProductiveClient) -> None:
        """Show what this client and its copies do; once in a process."""
        ApiCollector(client, self.registry)
