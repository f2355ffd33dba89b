"""The use of quotas is told before something is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest

from shared.clock import ManualClock
from shared.google.findings import Finding
from shared.google.monitoring import Monitoring
from shared.google.quotas import look_at_quotas
from tests.doctor.desk import told
from tests.google.monitoring_server import MonitoringServer, monitoring_server

API, METRIC = "pubsub.googleapis.com", "pubsub.googleapis.com/regionalpublisher"
SHOW = "gcloud beta quotas info list --service=pubsub.googleapis.com --project=acme-data"


class Quotas:
    """The numbers of one quota, as Google writes them."""

    def __init__(self, metrics: MonitoringServer, clock: ManualClock) -> None:
        self._metrics = metrics
        self._clock = clock

    def write(
        self, kind: str, value: int | bool, *, limit: str = "", method: str = "", place: str = "global"
    ) -> None:
        labels = {"quota_metric": METRIC, "limit_name": limit, "method": method}
        self._metrics.add(
            f"serviceruntime.googleapis.com/quota/{kind}",
            value,
            at_us=self._clock.now_us(),
            resource={"service": API, "location": place},
            labels={name: label for name, label in labels.items() if label},
        )

    async def look(self) -> Sequence[Finding]:
        monitoring = Monitoring("acme-data", self._clock)
        try:
            return await look_at_quotas("acme-data", [API, "bigquery.googleapis.com"], monitoring)
        finally:
            await monitoring.close()


@pytest.fixture
async def quotas(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Quotas]:
    async with monitoring_server() as (metrics, address):
        monkeypatch.setenv("MONITORING_EMULATOR_HOST", address)
        yield Quotas(metrics, ManualClock())


async def test_the_most_used_quota_is_named_when_all_is_well(quotas: Quotas) -> None:
    quotas.write("limit", 1_000, limit="PublishPerMinutePerProject")
    quotas.write("rate/net_usage", 250, method="Publish")
    assert told(list(await quotas.look()), "the most used").text.endswith(f"{METRIC} (global), is at 25.0%")


async def test_use_over_four_fifths_is_a_warning_and_counts_all_methods(quotas: Quotas) -> None:
    quotas.write("limit", 1_000, limit="PublishPerMinutePerProject")
    quotas.write("rate/net_usage", 450, method="Publish")
    quotas.write("rate/net_usage", 400, method="Pull")
    [finding] = await quotas.look()
    assert (finding.state, finding.fix) == ("warning", SHOW)
    assert "was used by 85% within the last hour (850 of 1,000)" in finding.text


async def test_of_several_limits_the_nearest_counts(quotas: Quotas) -> None:
    for limit, value in (
        ("PublishPerMinute", 10_000),
        ("PublishPerMinutePerUser", 1_000),
        ("PerMinute", 5_000),
    ):
        quotas.write("limit", value, limit=limit)
    quotas.write("rate/net_usage", 900, method="Publish")
    [finding] = await quotas.look()
    assert "(900 of 1,000)" in finding.text


async def test_a_quota_that_was_exceeded_is_a_problem(quotas: Quotas) -> None:
    quotas.write("exceeded", True, limit="PublishPerMinutePerProject")
    [finding] = await quotas.look()
    assert (finding.state, finding.fix) == ("problem", SHOW)
    assert f"{METRIC} (global) was exceeded within the last hour" in finding.text


async def test_allocations_and_places_are_compared_with_their_own_limits(quotas: Quotas) -> None:
    quotas.write("limit", 100, limit="TopicsPerProject", place="europe-west1")
    quotas.write("limit", 10_000, limit="TopicsPerProject", place="us-east1")
    quotas.write("allocation/usage", 90, place="europe-west1")
    quotas.write("allocation/usage", 90, place="us-east1")
    [finding] = await quotas.look()
    assert f"{METRIC} (europe-west1) was used by 90%" in finding.text


@pytest.mark.parametrize(
    ("limit", "value"),
    [("PublishPerDayPerProject", 100), ("PublishPerMinutePerProject", 2**62), ("PublishPerMinute", -1)],
)
async def test_limits_that_say_nothing_about_a_minute_are_left_out(
    quotas: Quotas, limit: str, value: int
) -> None:
    quotas.write("limit", value, limit=limit)
    quotas.write("rate/net_usage", 99, method="Publish")
    assert [finding.state for finding in await quotas.look()] == ["unknown"]


async def test_limits_of_other_times_are_turned_into_minutes(quotas: Quotas) -> None:
    quotas.write("limit", 1_000, limit="QueriesPer100SecondsPerUser")
    quotas.write("rate/net_usage", 540, method="Query")
    assert "was used by 90% within the last hour (540 of 600)" in (await quotas.look())[0].text
