"""The doctor looks at a bus on Pub/Sub: each thing that is wrong has its words and its command."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import grpc
import pytest
from google.iam.v1 import policy_pb2  # type: ignore[import-untyped]
from google.pubsub_v1 import types

from shared.bus.pubsub.examine import examine
from shared.clock import ManualClock
from shared.google.examination import Examination, Store
from shared.google.findings import Finding
from shared.google.monitoring import Monitoring
from shared.google.rights import ServiceRole
from tests.doctor.desk import found, told
from tests.doctor.grpc_server import GoogleServer, Refusal, denied, google_server, switched_off
from tests.google.monitoring_server import MonitoringServer, monitoring_server

URL = "pubsub://acme-data/records"
TOPIC, DEAD_TOPIC = "projects/acme-data/topics/records", "projects/acme-data/topics/records-dead"
SUBSCRIPTION = "projects/acme-data/subscriptions/records"
DEAD_SUBSCRIPTION = "projects/acme-data/subscriptions/records-dead"
MEMBER = "serviceAccount:writer@acme-data.iam.gserviceaccount.com"
DAY = 86_400
METHODS = {
    "google.pubsub.v1.Publisher": [("GetTopic", types.GetTopicRequest.pb(), lambda request: request.topic)],
    "google.pubsub.v1.Subscriber": [
        ("GetSubscription", types.GetSubscriptionRequest.pb(), lambda request: request.subscription)
    ],
}


def subscription(path: str, of: str, days: int, **settings: Any) -> Any:
    made = {
        "name": path,
        "topic": of,
        "message_retention_duration": timedelta(days=days),
        "expiration_policy": {},
        "retry_policy": {"minimum_backoff": timedelta(seconds=10)},
        **settings,
    }
    return types.Subscription.pb(types.Subscription(made))


@pytest.fixture
async def pubsub(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[GoogleServer]:
    """A bus as it should be."""
    async with google_server(METHODS) as (server, address):
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", address)
        for topic in (TOPIC, DEAD_TOPIC):
            server.resources[topic] = types.Topic.pb(types.Topic(name=topic))
        policy = {"dead_letter_policy": {"dead_letter_topic": DEAD_TOPIC, "max_delivery_attempts": 100}}
        server.resources[SUBSCRIPTION] = subscription(SUBSCRIPTION, TOPIC, 7, **policy)
        server.resources[DEAD_SUBSCRIPTION] = subscription(DEAD_SUBSCRIPTION, DEAD_TOPIC, 31)
        agent = "serviceAccount:service-123@gcp-sa-pubsub.iam.gserviceaccount.com"
        for path, role in ((DEAD_TOPIC, "roles/pubsub.publisher"), (SUBSCRIPTION, "roles/pubsub.subscriber")):
            server.policies[path] = policy_pb2.Policy(
                bindings=[policy_pb2.Binding(role=role, members=[agent])]
            )
        yield server


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def metrics(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MonitoringServer]:
    async with monitoring_server() as (server, address):
        monkeypatch.setenv("MONITORING_EMULATOR_HOST", address)
        yield server


async def look(*services: ServiceRole, store: Store = Store.RECORDS) -> list[Finding]:
    wanted = frozenset(services or ServiceRole)
    return list(await examine(URL, Examination(store, ManualClock(), member=MEMBER, services=wanted)))


async def look_at_metrics(clock: ManualClock) -> list[Finding]:
    monitoring = Monitoring("acme-data", clock)
    try:
        return list(await examine(URL, Examination(Store.RECORDS, clock, metrics=monitoring)))
    finally:
        await monitoring.close()


def measure(metrics: MonitoringServer, clock: ManualClock, name: str, **values: int) -> None:
    for kind, value in values.items():
        metrics.add(
            f"pubsub.googleapis.com/subscription/{kind}",
            value,
            at_us=clock.now_us(),
            resource={"subscription_id": name},
        )


async def test_a_bus_that_is_as_it_should_be_has_nothing_but_good_findings(pubsub: GoogleServer) -> None:
    assert {finding.state for finding in await look()} == {"good"}


async def test_each_service_is_asked_only_for_what_it_needs(pubsub: GoogleServer) -> None:
    await look(ServiceRole.BACKFILL)
    assert {name for _, name in pubsub.asked} == {TOPIC, DEAD_TOPIC}
    pubsub.asked.clear()
    await look(ServiceRole.WRITER)
    assert {name for _, name in pubsub.asked} == {SUBSCRIPTION, DEAD_TOPIC}


async def test_an_api_that_is_switched_off_is_told_with_the_command(pubsub: GoogleServer) -> None:
    for method in ("GetTopic", "GetSubscription"):
        pubsub.refusals[method] = switched_off("pubsub.googleapis.com")
    findings = await look()
    assert {finding.state for finding in findings} == {"problem"}
    assert {finding.fix for finding in findings} == {
        "gcloud services enable pubsub.googleapis.com --project acme-data"
    }


async def test_what_does_not_exist_is_told_with_the_command_that_makes_it(pubsub: GoogleServer) -> None:
    pubsub.resources.clear()
    fixes = dict(found(await look(), "problem"))
    # In the order in which they can be run.
    assert list(fixes) == [
        "topic records-dead",
        "subscription records-dead",
        "topic records",
        "subscription records",
    ]
    assert fixes["topic records"] == "gcloud pubsub topics create records --project acme-data"
    assert fixes["subscription records"].startswith(
        "gcloud pubsub subscriptions create records --topic=records --expiration-period=never"
    )
    assert "--dead-letter-topic=records-dead" in fixes["subscription records"]
    assert "--message-retention-duration=31d" in fixes["subscription records-dead"]


@pytest.mark.parametrize(
    ("path", "permission", "command"),
    [
        (TOPIC, "pubsub.topics.publish", "topics add-iam-policy-binding records"),
        (SUBSCRIPTION, "pubsub.subscriptions.consume", "subscriptions add-iam-policy-binding records"),
        (DEAD_TOPIC, "pubsub.topics.publish", "topics add-iam-policy-binding records-dead"),
    ],
)
async def test_a_missing_permission_is_named_with_the_command_that_gives_it(
    pubsub: GoogleServer, path: str, permission: str, command: str
) -> None:
    pubsub.lacks[path] = {permission}
    [finding] = [finding for finding in await look() if finding.state == "problem"]
    assert f"{MEMBER} lacks the permission {permission}, to " in finding.text
    role = "publisher" if permission.endswith("publish") else "subscriber"
    assert finding.fix == (
        f"gcloud pubsub {command} --member={MEMBER} --role=roles/pubsub.{role} --project acme-data"
    )


async def test_what_may_not_be_seen_but_used_is_a_missing_right_and_not_a_missing_topic(
    pubsub: GoogleServer,
) -> None:
    pubsub.refusals[f"GetTopic {TOPIC}"] = denied("pubsub.topics.get")
    pubsub.lacks[TOPIC] = {"pubsub.topics.get"}
    [finding] = [finding for finding in await look() if finding.state == "problem"]
    assert "pubsub.topics.get" in finding.text
    assert "--role=roles/pubsub.viewer" in finding.fix


async def test_what_may_not_even_be_seen_is_told_in_googles_words(pubsub: GoogleServer) -> None:
    pubsub.refusals[f"GetTopic {TOPIC}"] = denied("pubsub.topics.get")
    del pubsub.resources[TOPIC]
    finding = told(await look(), "or it may not exist")
    assert (finding.subject, finding.state) == ("topic records", "problem")


async def test_nobody_there_is_a_problem_and_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:1")
    findings = await look(ServiceRole.BACKFILL)
    assert [finding.state for finding in findings] == ["problem", "problem"]
    assert all("does not answer" in finding.text for finding in findings)


@pytest.mark.parametrize(
    ("settings", "words", "state", "command"),
    [
        (
            {"message_retention_duration": timedelta(hours=6)},
            "lost after 6 hours",
            "warning",
            "update records --message-retention-duration=7d --project acme-data",
        ),
        (
            {"expiration_policy": {"ttl": timedelta(days=31)}},
            "is deleted with all its messages when nobody reads it for 31 days",
            "warning",
            "update records --expiration-period=never --project acme-data",
        ),
        (
            {"dead_letter_policy": None},
            "no dead letter policy",
            "warning",
            "update records --dead-letter-topic=records-dead --max-delivery-attempts=100 --project acme-data",
        ),
        (
            {"dead_letter_policy": {"dead_letter_topic": "projects/acme-data/topics/other"}},
            "go to projects/acme-data/topics/other",
            "warning",
            "update records --dead-letter-topic=records-dead --max-delivery-attempts=100 --project acme-data",
        ),
        (
            {"dead_letter_policy": {"dead_letter_topic": DEAD_TOPIC, "max_delivery_attempts": 7}},
            "sets messages aside after 7 tries",
            "warning",
            "update records --dead-letter-topic=records-dead --max-delivery-attempts=100 --project acme-data",
        ),
        (
            {"retry_policy": None},
            "has no retry policy",
            "warning",
            "update records --min-retry-delay=10s --max-retry-delay=600s --project acme-data",
        ),
        ({"topic": "_deleted-topic_"}, "its topic was deleted", "problem", "delete records"),
        ({"topic": "projects/acme-data/topics/x"}, "belongs to projects/acme", "problem", "delete records"),
        ({"detached": True}, "is detached", "problem", "delete records"),
        ({"filter": 'attributes.a = "b"'}, "has a filter", "problem", "delete records"),
        (
            {"push_config": {"push_endpoint": "https://x.example"}},
            "pushes its messages elsewhere",
            "problem",
            "update records --push-endpoint= --project acme-data",
        ),
        (
            {"bigquery_config": {"table": "a.b.c"}},
            "writes its messages elsewhere",
            "problem",
            "delete records",
        ),
    ],
)
async def test_a_setting_that_loses_messages_comes_with_the_command_that_changes_it(
    pubsub: GoogleServer, settings: dict[str, Any], words: str, state: str, command: str
) -> None:
    policy = {"dead_letter_policy": {"dead_letter_topic": DEAD_TOPIC, "max_delivery_attempts": 100}}
    pubsub.resources[SUBSCRIPTION] = subscription(SUBSCRIPTION, TOPIC, 7, **{**policy, **settings})
    finding = told(await look(), words)
    assert (finding.subject, finding.state) == ("subscription records", state)
    assert f"gcloud pubsub subscriptions {command}" in finding.fix


async def test_dead_letters_are_kept_for_as_long_as_pubsub_can(pubsub: GoogleServer) -> None:
    pubsub.resources[DEAD_SUBSCRIPTION] = subscription(DEAD_SUBSCRIPTION, DEAD_TOPIC, 7)
    finding = told(await look(), "lost after 7 days")
    assert finding.fix.startswith(
        "gcloud pubsub subscriptions update records-dead --message-retention-duration=31d"
    )


async def test_pubsub_itself_needs_rights_to_set_messages_aside(pubsub: GoogleServer) -> None:
    pubsub.policies.clear()
    warnings = dict(found(await look(), "warning"))
    assert "topics add-iam-policy-binding records-dead" in warnings["topic records-dead"]
    assert "gcloud projects describe acme-data" in warnings["topic records-dead"]
    assert "--role=roles/pubsub.subscriber" in warnings["subscription records"]


async def test_whoever_may_not_see_the_policy_is_told_nothing_about_it(pubsub: GoogleServer) -> None:
    pubsub.policies.clear()
    pubsub.refusals["GetIamPolicy"] = denied("pubsub.topics.getIamPolicy")
    assert found(await look(), "warning") == []


async def test_a_stand_in_that_knows_no_rights_is_taken_as_it_is(pubsub: GoogleServer) -> None:
    pubsub.refusals["TestIamPermissions"] = Refusal(grpc.StatusCode.UNIMPLEMENTED, "Method not found")
    assert {finding.state for finding in await look()} == {"good"}


async def test_messages_wait_and_nobody_pulls(
    pubsub: GoogleServer, metrics: MonitoringServer, clock: ManualClock
) -> None:
    measure(metrics, clock, "records", num_undelivered_messages=1200, oldest_unacked_message_age=7200)
    finding = told(await look_at_metrics(clock), "nobody pulls them")
    assert (finding.state, finding.fix) == ("problem", "productive-ingest writer")
    assert "1,200 messages, the oldest for 2 hours" in finding.text


async def test_whoever_may_not_see_a_subscription_may_still_know_what_waits_on_it(
    pubsub: GoogleServer, metrics: MonitoringServer, clock: ManualClock
) -> None:
    for name in (SUBSCRIPTION, DEAD_SUBSCRIPTION):
        pubsub.refusals[f"GetSubscription {name}"] = denied("pubsub.subscriptions.get")
    measure(metrics, clock, "records", num_undelivered_messages=1, oldest_unacked_message_age=7200)
    assert told(await look_at_metrics(clock), "nobody pulls them").text.startswith("1 message, ")


@pytest.mark.parametrize("way", ["open_streaming_pulls", "pull_request_count"])
async def test_somebody_pulls_and_nothing_is_acknowledged(
    pubsub: GoogleServer, metrics: MonitoringServer, clock: ManualClock, way: str
) -> None:
    values = {"num_undelivered_messages": 5, "oldest_unacked_message_age": 900}
    measure(metrics, clock, "records", **values, **{way: 2})
    finding = told(await look_at_metrics(clock), "somebody pulls them, and nothing is acknowledged")
    assert finding.state == "problem"
    assert finding.fix.startswith("gcloud logging read")


async def test_a_writer_that_gets_on_slowly_is_a_warning_and_a_quick_one_is_good(
    pubsub: GoogleServer, metrics: MonitoringServer, clock: ManualClock
) -> None:
    values = {"num_undelivered_messages": 5, "open_streaming_pulls": 1, "ack_message_count": 40}
    measure(metrics, clock, "records", **values, oldest_unacked_message_age=900)
    assert told(await look_at_metrics(clock), "5 messages").state == "warning"
    clock.advance(60)
    measure(metrics, clock, "records", **values, oldest_unacked_message_age=3)
    assert told(await look_at_metrics(clock), "5 messages").state == "good"


@pytest.mark.parametrize(
    ("days", "told_as"),
    [
        (3, ("warning", "older than what BigQuery remembers of deletions")),
        (6, ("problem", "they are lost after 7 days")),
    ],
)
async def test_messages_that_wait_for_days_are_told(
    pubsub: GoogleServer, metrics: MonitoringServer, clock: ManualClock, days: int, told_as: tuple[str, str]
) -> None:
    values = {"num_undelivered_messages": 5, "open_streaming_pulls": 1, "ack_message_count": 40}
    measure(metrics, clock, "records", **values, oldest_unacked_message_age=days * DAY)
    state, words = told_as
    assert told(await look_at_metrics(clock), words).state == state


@pytest.mark.parametrize(("age", "state"), [(DAY, "warning"), (29 * DAY, "problem")])
async def test_dead_letters_are_told_and_all_the_more_before_they_are_lost(
    pubsub: GoogleServer, metrics: MonitoringServer, clock: ManualClock, age: int, state: str
) -> None:
    measure(metrics, clock, "records-dead", num_undelivered_messages=3, oldest_unacked_message_age=age)
    finding = told(await look_at_metrics(clock), "set aside: 3 messages")
    assert (finding.state, finding.fix) == (state, "productive-ingest deadletters list")


async def test_a_subscription_without_numbers_is_not_known_and_one_that_is_empty_is_good(
    pubsub: GoogleServer, metrics: MonitoringServer, clock: ManualClock
) -> None:
    assert told(await look_at_metrics(clock), "no numbers about it").state == "unknown"
    for name in ("records", "records-dead"):
        measure(metrics, clock, name, num_undelivered_messages=0, oldest_unacked_message_age=0)
    findings: Sequence[Finding] = await look_at_metrics(clock)
    assert [one.text for one in findings if one.subject in ("waiting", "dead letters")] == ["nothing", "none"]
