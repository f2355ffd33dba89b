"""The doctor, whole, on stores in Google Cloud: one section each, and nothing that fails hides another."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import grpc
import pytest
from google.pubsub_v1 import types as pubsub

from services.cli.doctor.doctor import cloud_problems, examine_all
from services.cli.doctor.sections import Section, examined
from shared.clock import SystemClock
from shared.config import Settings
from shared.errors import StorageError
from shared.google.findings import Finding, good, problem, warning
from tests.doctor.desk import Desk, told
from tests.doctor.grpc_server import google_server
from tests.doctor.rest_server import rest_server
from tests.doctor.test_pubsub import METHODS, subscription
from tests.google.monitoring_server import MonitoringServer, monitoring_server

CLOUD = {
    "BUS_URL": "pubsub://acme-data/records",
    "INTAKE_URL": "pubsub://acme-data/intake",
    "WAREHOUSE_URL": "bigquery://acme-data/productive",
}


@pytest.fixture
async def metrics(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MonitoringServer]:
    """Buses and a dataset on stand-ins; Monitoring, too."""
    async with AsyncExitStack() as stack:
        server, address = await stack.enter_async_context(google_server(METHODS))
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", address)
        for name in ("records", "intake"):
            for suffix, days in (("", 7), ("-dead", 31)):
                topic = f"projects/acme-data/topics/{name}{suffix}"
                path = f"projects/acme-data/subscriptions/{name}{suffix}"
                server.resources[topic] = pubsub.Topic.pb(pubsub.Topic(name=topic))
                policy = (
                    {
                        "dead_letter_policy": {
                            "dead_letter_topic": f"{topic}-dead",
                            "max_delivery_attempts": 100,
                        }
                    }
                    if not suffix
                    else {}
                )
                server.resources[path] = subscription(path, topic, days, **policy)
        bigquery, url = await stack.enter_async_context(rest_server())
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", url)
        monkeypatch.delenv("BIGQUERY_STORAGE_EMULATOR_HOST", raising=False)
        dataset = "/bigquery/v2/projects/acme-data/datasets/productive"
        reference = {"projectId": "acme-data", "datasetId": "productive"}
        bigquery.answers[f"GET {dataset}"] = {"datasetReference": reference, "location": "EU"}
        bigquery.answers[f"GET {dataset}/tables"] = {"totalItems": 0}
        monitoring, address = await stack.enter_async_context(monitoring_server())
        monkeypatch.setenv("MONITORING_EMULATOR_HOST", address)
        # A stand-in for everything: no credentials of whoever runs the tests are looked for.
        monkeypatch.setenv("BIGQUERY_STORAGE_EMULATOR_HOST", "127.0.0.1:1")
        yield monitoring


@pytest.fixture
def settings(desk: Desk) -> Settings:
    return desk.settings({**CLOUD, "PRODUCTIVE_ORGANIZATION_ID": "42"})


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRODUCTIVE_API_TOKEN", "t0ken")


def by_title(sections: list[Section]) -> dict[str, Section]:
    return {section.title: section for section in sections}


async def test_every_store_has_its_section_and_the_worst_comes_last(
    metrics: MonitoringServer, settings: Settings
) -> None:
    sections = list(await examine_all(settings, SystemClock()))
    found = by_title(sections)
    assert found.keys() == {
        "Google account",
        "Quotas",
        "Bus of the records",
        "Bus of webhooks' deliveries",
        "Warehouse",
        "Objects",
        "Secrets",
        "Productive",
        "Crawls, writer and webhooks",
    }
    assert told(found["Google account"], "only stand-ins").state == "good"
    # Nobody listens at the address of the write path's stand-in.
    assert sections[-1].title == "Warehouse"
    assert told(sections[-1], "Storage Write API does not answer").subject == "Storage Write API"


async def test_metrics_that_may_not_be_read_leave_everything_else_as_it_is(
    metrics: MonitoringServer, settings: Settings
) -> None:
    refusal = "Permission monitoring.timeSeries.list denied (or the resource may not exist)."
    metrics.refuse = (grpc.StatusCode.PERMISSION_DENIED, refusal)
    found = by_title(list(await examine_all(settings, SystemClock())))
    finding = told(found["Quotas"], "monitoring.timeSeries.list")
    assert finding.state == "unknown"
    assert finding.fix == (
        "gcloud projects add-iam-policy-binding acme-data --member=MEMBER --role=roles/monitoring.viewer"
    )
    assert told(found["Bus of the records"], "is not known").subject == "waiting"
    assert len(found["Bus of the records"].of("good")) == 4


async def test_beside_stand_ins_nobodys_real_metrics_are_read(
    metrics: MonitoringServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MONITORING_EMULATOR_HOST")
    found = by_title(list(await examine_all(settings, SystemClock())))
    assert "Quotas" not in found
    assert [one for one in found["Bus of the records"].findings if one.subject == "waiting"] == []


async def test_without_an_account_only_this_machine_is_looked_at(
    metrics: MonitoringServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PUBSUB_EMULATOR_HOST")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere.json")
    sections = list(await examine_all(settings, SystemClock()))
    assert "nothing on Google Cloud was looked at" in sections[-1].findings[0].text
    assert by_title(sections).keys() == {
        "Google account",
        "Objects",
        "Secrets",
        "Productive",
        "Crawls, writer and webhooks",
    }
    assert [finding.subject for finding in await cloud_problems(settings, SystemClock())] == [
        "Google account"
    ]


async def test_check_names_only_the_problems_and_only_those_of_the_cloud(
    metrics: MonitoringServer, settings: Settings, desk: Desk
) -> None:
    assert [one.subject for one in await cloud_problems(settings, SystemClock())] == ["Storage Write API"]
    assert await cloud_problems(desk.settings({}), SystemClock()) == []


async def test_an_examination_that_fails_or_hangs_is_a_finding() -> None:
    async def fails() -> list[Finding]:
        raise ZeroDivisionError("oh")

    async def refuses() -> list[Finding]:
        raise StorageError("the disk is full", advice="Make room.")

    async def hangs() -> list[Finding]:
        await SystemClock().sleep(60)
        return []

    async def mixed() -> list[Finding]:
        return [problem("a", ""), good("b", ""), warning("c", "")]

    assert (await examined("A", fails)).findings[0].text == "could not be examined (ZeroDivisionError: oh)"
    assert (await examined("A", refuses)).findings[0].text == "the disk is full. Make room."
    [late] = (await examined("A", hangs, seconds=0.01)).findings
    assert (late.state, late.text) == ("problem", "was not examined to the end within 0 seconds")
    assert [finding.subject for finding in (await examined("A", mixed)).findings] == ["b", "c", "a"]
