"""A stand-in for Cloud Monitoring's metrics: ListTimeSeries over gRPC, in this process."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
from google.cloud.monitoring_v3 import types

_TERM = re.compile(r'([\w.]+) = "((?:[^"\\]|\\.)*)"')
_PAGE = 2
"""Small, so that whoever reads only the first page is found out."""


@dataclass
class MonitoringServer:
    """Holds points; `refuse` is the answer to every call where it is set."""

    series: dict[tuple[Any, ...], types.TimeSeries] = field(default_factory=dict)
    requests: list[types.ListTimeSeriesRequest] = field(default_factory=list)
    refuse: tuple[grpc.StatusCode, str] | None = None

    def add(
        self,
        metric: str,
        value: float | str,
        *,
        at_us: int,
        resource: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        """One point of the time series with these labels."""
        resource, labels = resource or {}, labels or {}
        key = (metric, *sorted(resource.items()), *sorted(labels.items()))
        if key not in self.series:
            self.series[key] = types.TimeSeries(
                metric={"type": metric, "labels": labels}, resource={"type": "any", "labels": resource}
            )
        kind = {int: "int64_value", float: "double_value", str: "string_value", bool: "bool_value"}
        at = {"seconds": at_us // 1_000_000, "nanos": at_us % 1_000_000 * 1_000}
        point = types.Point(interval={"end_time": at}, value={kind[type(value)]: value})
        self.series[key].points.append(point)

    async def list(self, raw: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        """Two time series a page; the filter's terms are all equalities."""
        request = types.ListTimeSeriesRequest.wrap(raw)
        self.requests.append(request)
        if self.refuse is not None:
            await context.abort(*self.refuse)
        found = [one for one in map(self._within(request), self.series.values()) if one.points]
        start = int(request.page_token or 0)
        more = str(start + _PAGE) if start + _PAGE < len(found) else ""
        answer = types.ListTimeSeriesResponse(time_series=found[start : start + _PAGE], next_page_token=more)
        return types.ListTimeSeriesResponse.pb(answer)

    def _within(self, request: types.ListTimeSeriesRequest) -> Any:
        terms = [(name, re.sub(r"\\(.)", r"\1", value)) for name, value in _TERM.findall(request.filter)]
        begin, end = request.interval.start_time, request.interval.end_time

        def cut(series: types.TimeSeries) -> types.TimeSeries:
            has = {
                "metric.type": series.metric.type,
                **{f"metric.labels.{name}": value for name, value in series.metric.labels.items()},
                **{f"resource.labels.{name}": value for name, value in series.resource.labels.items()},
            }
            kept = types.TimeSeries(metric=series.metric, resource=series.resource)
            if all(has.get(name) == value for name, value in terms):
                kept.points = [p for p in series.points if begin < p.interval.end_time <= end]
            return kept

        return cut


@asynccontextmanager
async def monitoring_server() -> AsyncIterator[tuple[MonitoringServer, str]]:
    """The stand-in and its `host:port`, until the body ends."""
    metrics = MonitoringServer()
    server = grpc.aio.server()
    handler = grpc.unary_unary_rpc_method_handler(
        metrics.list,
        types.ListTimeSeriesRequest.pb().FromString,
        lambda message: message.SerializeToString(),
    )
    server.add_generic_rpc_handlers(
        [
            grpc.method_handlers_generic_handler(
                "google.monitoring.v3.MetricService", {"ListTimeSeries": handler}
            )
        ]
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield metrics, f"127.0.0.1:{port}"
    finally:
        await server.stop(None)
