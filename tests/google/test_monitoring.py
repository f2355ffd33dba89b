"""The metrics of a project are read through Google's own client, over a real connection."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import pytest

from shared.clock import MICROSECONDS, ManualClock
from shared.errors import StorageError, UnreachableError
from shared.google.monitoring import Monitoring, filter_of
from tests.google.monitoring_server import MonitoringServer, monitoring_server

UNACKED = "pubsub.googleapis.com/subscription/num_undelivered_messages"


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MonitoringServer]:
    async with monitoring_server() as (metrics, address):
        monkeypatch.setenv("MONITORING_EMULATOR_HOST", address)
        yield metrics


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def monitoring(server: MonitoringServer, clock: ManualClock) -> AsyncIterator[Monitoring]:
    monitoring = Monitoring("acme-data", clock)
    yield monitoring
    await monitoring.close()


async def test_the_newest_point_of_each_time_series_is_told(
    server: MonitoringServer, monitoring: Monitoring, clock: ManualClock
) -> None:
    now = clock.now_us()
    for subscription in ("records", "records-dead", "intake"):
        for minutes in (3, 1, 2):
            at_us = now - minutes * 60 * MICROSECONDS
            server.add(UNACKED, 10 * minutes, at_us=at_us, resource={"subscription_id": subscription})
    points = await monitoring.latest(UNACKED)
    assert {(point.labels["subscription_id"], point.value) for point in points} == {
        ("records", 10),
        ("records-dead", 10),
        ("intake", 10),
    }
    assert {point.at_us for point in points} == {now - 60 * MICROSECONDS}
    assert {request.name for request in server.requests} == {"projects/acme-data"}


async def test_labels_choose_among_time_series(
    server: MonitoringServer, monitoring: Monitoring, clock: ManualClock
) -> None:
    for service in ("pubsub", "bigquery"):
        for quota in ('a "quoted" one', "other"):
            server.add(
                "use", 0.5, at_us=clock.now_us(), resource={"service": service}, labels={"quota": quota}
            )
    points = await monitoring.latest("use", labels={"service": "pubsub", "metric.quota": 'a "quoted" one'})
    assert [(point.labels, point.value) for point in points] == [
        ({"service": "pubsub", "quota": 'a "quoted" one'}, 0.5)
    ]


async def test_what_happened_can_be_summed_and_the_highest_value_be_found(
    server: MonitoringServer, monitoring: Monitoring, clock: ManualClock
) -> None:
    for minute, count in enumerate((4, 0, 9, 1)):
        server.add("acks", count, at_us=clock.now_us() - minute * 60 * MICROSECONDS)
    server.add("acks", 7, at_us=clock.now_us(), labels={"delivery": "pull"})
    assert sorted(point.value for point in await monitoring.totals("acks")) == [7, 14]
    assert sorted(point.value for point in await monitoring.highest("acks")) == [7, 9]
    assert sorted(point.value for point in await monitoring.latest("acks")) == [4, 7]


async def test_what_is_older_than_the_window_is_not_told(
    server: MonitoringServer, monitoring: Monitoring, clock: ManualClock
) -> None:
    server.add(UNACKED, 7, at_us=clock.now_us())
    clock.advance(700)
    assert await monitoring.latest(UNACKED) == []
    assert [point.value for point in await monitoring.latest(UNACKED, window_seconds=800)] == [7]


async def test_values_that_are_no_numbers_are_left_out(
    server: MonitoringServer, monitoring: Monitoring, clock: ManualClock
) -> None:
    server.add("mixed", "a text", at_us=clock.now_us(), labels={"kind": "text"})
    server.add("mixed", True, at_us=clock.now_us(), labels={"kind": "flag"})
    assert [point.value for point in await monitoring.latest("mixed")] == [1.0]


async def test_a_metric_that_was_never_written_has_no_points(
    server: MonitoringServer, monitoring: Monitoring
) -> None:
    server.refuse = (grpc.StatusCode.NOT_FOUND, "Cannot find metric(s) that match type")
    assert await monitoring.latest(UNACKED) == ()


async def test_a_missing_permission_comes_with_its_remedy(
    server: MonitoringServer, monitoring: Monitoring
) -> None:
    server.refuse = (
        grpc.StatusCode.PERMISSION_DENIED,
        "Permission monitoring.timeSeries.list denied (or the resource may not exist).",
    )
    with pytest.raises(StorageError) as caught:
        await monitoring.latest(UNACKED)
    assert "monitoring.timeSeries.list" in caught.value.message
    assert "roles/monitoring.viewer" in caught.value.advice


async def test_nobody_there_is_told_at_once(monitoring: Monitoring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONITORING_EMULATOR_HOST", "127.0.0.1:1")
    with pytest.raises(UnreachableError):
        await monitoring.latest(UNACKED)


def test_a_filter_names_the_metric_and_both_kinds_of_labels() -> None:
    assert filter_of("m", {"subscription_id": "records", "metric.method": "a"}) == (
        'metric.type = "m" AND resource.labels.subscription_id = "records" AND metric.labels.method = "a"'
    )
