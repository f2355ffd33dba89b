"""Cloud Monitoring, read: one value of each time series of a metric.

It is where Google tells of backlogs, connections and the use of quotas, and nowhere else. Its numbers are
a minute or a few old (each metric's documentation says how old).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from google.api_core import exceptions
from google.cloud.monitoring_v3 import (
    ListTimeSeriesRequest,
    MetricServiceAsyncClient,
    TimeInterval,
    TimeSeries,
    TypedValue,
)
from google.cloud.monitoring_v3.services.metric_service.transports import MetricServiceGrpcAsyncIOTransport
from google.protobuf.timestamp_pb2 import Timestamp

from shared.clock import MICROSECONDS, Clock
from shared.google.endpoints import MONITORING, grpc_transport
from shared.google.failures import Place, as_ours

_DEADLINE_SECONDS: Final = 15.0
_PAGE: Final = 1_000
_MOST_SERIES: Final = 5_000
"""What comes after these many time series is left out; what we ask for has a few dozen."""

_Reduce = Callable[[list[float]], float]

_NO_LABELS: Final[Mapping[str, str]] = MappingProxyType({})


class Point(NamedTuple):
    """A time series' value, with its resource's and its own labels; `at_us` is the newest point's end."""

    labels: Mapping[str, str]
    value: float
    at_us: int


class Monitoring:
    """The metrics of one project.

    Each call has a deadline of its own. `StorageError` when credentials, the API or the permission
    `monitoring.timeSeries.list` are missing, `UnreachableError` when nobody answers.
    """

    def __init__(self, project: str, clock: Clock) -> None:
        self._project = project
        self._clock = clock
        self._client: MetricServiceAsyncClient | None = None
        self._place = Place(MONITORING, f"the metrics of {project}", project, "roles/monitoring.viewer")

    async def latest(
        self, metric: str, *, labels: Mapping[str, str] = _NO_LABELS, window_seconds: float = 600.0
    ) -> Sequence[Point]:
        """The newest point of each time series that has one in the window, which ends now.

        `metric` is a type such as `pubsub.googleapis.com/subscription/backlog_bytes`. `labels` are those of
        the resource (`subscription_id`), or with `metric.` before them those of the metric itself. Nothing
        comes of a metric that was never written (Google answers NOT_FOUND for some: seen by others), nor of
        one that holds texts or distributions.
        """
        return await self._points(metric, labels, window_seconds, lambda values: values[-1])

    async def totals(
        self, metric: str, *, labels: Mapping[str, str] = _NO_LABELS, window_seconds: float = 600.0
    ) -> Sequence[Point]:
        """As `latest`, with the sum of each time series' points: for metrics that count what happened."""
        return await self._points(metric, labels, window_seconds, sum)

    async def highest(
        self, metric: str, *, labels: Mapping[str, str] = _NO_LABELS, window_seconds: float = 3_600.0
    ) -> Sequence[Point]:
        """As `latest`, with the largest value of each time series."""
        return await self._points(metric, labels, window_seconds, max)

    async def _points(
        self, metric: str, labels: Mapping[str, str], window_seconds: float, reduce: _Reduce
    ) -> Sequence[Point]:
        request = ListTimeSeriesRequest(
            name=f"projects/{self._project}",
            filter=filter_of(metric, labels),
            interval=self._interval(window_seconds),
            view=ListTimeSeriesRequest.TimeSeriesView.FULL,
            page_size=_PAGE,
        )
        points: list[Point] = []
        try:
            async with asyncio.timeout(_DEADLINE_SECONDS):
                answer = await self._connected().list_time_series(
                    request, retry=None, timeout=_DEADLINE_SECONDS
                )
                async for series in answer:
                    points.extend(_reduced(series, reduce))
                    if len(points) >= _MOST_SERIES:
                        break
        except exceptions.NotFound:
            return ()
        except Exception as error:
            raise as_ours(error, self._place) from error
        return points

    async def close(self) -> None:
        """Let go of the connection; may be called again."""
        client, self._client = self._client, None
        if client is not None:
            await client.transport.close()

    def _connected(self) -> MetricServiceAsyncClient:
        if self._client is None:
            transport = grpc_transport(MONITORING, MetricServiceGrpcAsyncIOTransport)
            self._client = MetricServiceAsyncClient(transport=transport)
        return self._client

    def _interval(self, seconds: float) -> TimeInterval:
        end_us = self._clock.now_us()
        return TimeInterval(
            start_time=_timestamp(end_us - round(seconds * MICROSECONDS)), end_time=_timestamp(end_us)
        )


def filter_of(metric: str, labels: Mapping[str, str]) -> str:
    """Monitoring's filter for one metric type and labels; values are quoted as its documentation says."""
    terms = [f"metric.type = {_quoted(metric)}"]
    for name, value in labels.items():
        of, _, label = name.rpartition(".")
        terms.append(f"{of or 'resource'}.labels.{label} = {_quoted(value)}")
    return " AND ".join(terms)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _reduced(series: TimeSeries, reduce: _Reduce) -> Iterator[Point]:
    """Points come newest first (documented); they are put in order all the same, oldest first."""
    points = [(point.interval.end_time, value) for point in series.points for value in _number(point.value)]
    if points:
        points.sort(key=lambda one: one[0])
        labels = {**series.resource.labels, **series.metric.labels}
        value = reduce([value for _, value in points])
        yield Point(labels, value, round(points[-1][0].timestamp() * MICROSECONDS))


def _number(value: TypedValue) -> Iterator[float]:
    match TypedValue.pb(value).WhichOneof("value"):
        case "int64_value":
            yield float(value.int64_value)
        case "double_value":
            yield value.double_value
        case "bool_value":
            yield float(value.bool_value)


def _timestamp(us: int) -> Timestamp:
    return Timestamp(seconds=us // MICROSECONDS, nanos=us % MICROSECONDS * 1_000)
