"""Making a bus on Pub/Sub, finding one, and what it says of what waits."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from shared.bus import BusSettings, Message
from shared.bus.pubsub.connect import connect
from shared.bus.pubsub.names import parse
from shared.bus.pubsub.provisioning import MAX_DELIVERY_ATTEMPTS
from shared.clock import SystemClock
from shared.errors import ConfigError, StorageError, UnreachableError
from tests.bus.pubsub_world import PROJECT, SUBSCRIPTION, TOPIC, URL, World, running_world
from tests.contracts.bus import take, take_one
from tests.google.monitoring_server import monitoring_server

Code = grpc.StatusCode
DAY = 86_400


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    async with running_world(monkeypatch) as world:
        yield world


async def test_a_bus_that_is_not_there_is_made_with_its_dead_letters(world: World) -> None:
    await world.open()
    assert set(world.state.topics) == {TOPIC, f"{TOPIC}-dead"}
    config = world.subscription.config
    assert (config.topic, config.ack_deadline_seconds) == (TOPIC, 60)
    assert config.message_retention_duration.seconds == 7 * DAY
    assert config.HasField("expiration_policy")
    assert not config.expiration_policy.HasField("ttl")
    assert config.retry_policy.minimum_backoff.seconds == 10
    assert config.retry_policy.maximum_backoff.seconds == 600
    assert config.dead_letter_policy.dead_letter_topic == f"{TOPIC}-dead"
    assert config.dead_letter_policy.max_delivery_attempts == MAX_DELIVERY_ATTEMPTS
    dead = world.dead.config
    assert (dead.topic, dead.message_retention_duration.seconds) == (f"{TOPIC}-dead", 31 * DAY)
    assert not dead.expiration_policy.HasField("ttl")


async def test_what_is_there_stays_as_it_is(world: World) -> None:
    world.make_plain()
    before = [str(world.subscription.config), str(world.dead.config)]
    await world.open()
    assert [str(world.subscription.config), str(world.dead.config)] == before
    assert world.server.calls["CreateTopic"] == world.server.calls["CreateSubscription"] == 0


async def test_two_that_make_a_bus_at_once_both_have_it(world: World) -> None:
    for method in ("CreateTopic", "CreateSubscription"):
        world.server.fault(method, "lose", Code.ALREADY_EXISTS, times=2)
    bus = await world.open()
    await bus.publish([Message(b"x")])
    assert (await take_one(bus)).message.body == b"x"


async def test_an_account_that_may_not_look_takes_everything_to_be_there(world: World) -> None:
    world.make_plain()
    for method in ("GetTopic", "GetSubscription"):
        world.server.fault(method, "refuse", Code.PERMISSION_DENIED, times=2)
    bus = await world.open()
    await bus.publish([Message(b"x")])
    assert (await take_one(bus)).message.body == b"x"


@pytest.mark.parametrize(
    ("method", "remedy"),
    [
        ("CreateTopic", "gcloud pubsub topics create records-dead --project agency-data"),
        ("CreateSubscription", "gcloud pubsub subscriptions create records-dead --project agency-data"),
    ],
)
async def test_what_is_missing_and_may_not_be_made_is_told_with_its_command(
    world: World, method: str, remedy: str
) -> None:
    world.server.fault(method, "refuse", Code.PERMISSION_DENIED)
    with pytest.raises(StorageError, match="does not exist") as caught:
        await world.open()
    assert remedy in caught.value.advice


async def test_a_subscription_of_another_topic_is_refused(world: World) -> None:
    world.make_plain()
    world.subscription.config.topic = f"{PROJECT}/topics/other"
    with pytest.raises(StorageError, match="belongs to"):
        await world.open()


async def test_a_subscription_that_would_lose_messages_is_warned_about(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.make_plain()
    config = world.subscription.config
    config.expiration_policy.ttl.seconds = 31 * DAY
    config.message_retention_duration.seconds = 600
    with caplog.at_level(logging.WARNING):
        await world.open()
    assert "--expiration-period never" in caplog.text
    assert "loses messages that wait for 600 s" in caplog.text


async def test_a_subscription_that_loses_nothing_is_not_warned_about(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        await world.open()
        await world.open()
    assert caplog.text == ""


async def test_a_pubsub_that_does_not_answer_is_unreachable(world: World) -> None:
    await world.server.stop()
    with pytest.raises(UnreachableError):
        await world.open(BusSettings(retry_seconds=0.3))


async def test_without_credentials_a_person_is_told_how_to_get_some(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.delenv("PUBSUB_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(StorageError, match="credentials") as caught:
        await connect(URL, clock=SystemClock(), settings=BusSettings())
    assert "gcloud auth application-default login" in caught.value.advice


async def test_an_outage_of_a_night_empties_nothing_into_the_dead_letters(world: World) -> None:
    bus = await world.open()
    await bus.publish([Message(b"x")])
    hours = 0.0
    while hours < 12:
        [delivery] = await bus.pull(max_messages=1, max_bytes=1_000, wait_seconds=5)
        await bus.release([delivery.lease_id], delay_seconds=5)
        pause = 5 + min(600, 10 * 2 ** (delivery.attempt - 1))
        for _ in range(2):
            world.clock.advance(pause)
            world.state.tick()
        hours += pause / 3_600
    assert not world.dead.unacked
    assert len(world.subscription.unacked) == 1


async def test_what_waits_is_what_cloud_monitoring_says(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with monitoring_server() as (monitoring, address):
        monkeypatch.setenv("MONITORING_EMULATOR_HOST", address)
        bus = await world.open()
        now_us = world.clock.now_us()
        metrics = {"num_undelivered_messages": 12, "backlog_bytes": 3_400, "oldest_unacked_message_age": 90}
        for metric, value in metrics.items():
            monitoring.add(
                f"pubsub.googleapis.com/subscription/{metric}",
                value,
                at_us=now_us,
                resource={"subscription_id": "records"},
            )
        monitoring.add(
            "pubsub.googleapis.com/subscription/num_undelivered_messages",
            4,
            at_us=now_us,
            resource={"subscription_id": "records-dead"},
        )
        backlog = await bus.backlog()
    assert (backlog.messages, backlog.bytes, backlog.dead_letters) == (12, 3_400, 4)
    assert backlog.oldest_us is not None
    assert abs(now_us - 90_000_000 - backlog.oldest_us) < 60_000_000


async def test_without_cloud_monitoring_what_is_held_here_counts_and_that_is_said_once(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with monitoring_server() as (monitoring, address):
        monkeypatch.setenv("MONITORING_EMULATOR_HOST", address)
        monitoring.refuse = (Code.PERMISSION_DENIED, "Permission 'monitoring.timeSeries.list' denied")
        bus = await world.open()
        await bus.publish([Message(b"x" * 10), Message(b"y" * 5)])
        await take(bus, count=2)
        with caplog.at_level(logging.WARNING):
            for _ in range(3):
                backlog = await bus.backlog()
    assert (backlog.messages, backlog.bytes) == (2, 15)
    assert caplog.text.count("how much waits is not known") == 1


@pytest.mark.parametrize(
    "url",
    [
        "pubsub://agency-data",
        "pubsub://agency-data/",
        "pubsub://agency-data/go",
        "pubsub://agency-data/googs",
        "pubsub://agency-data/1records",
        "pubsub://agency-data/records/more",
        "pubsub://agency-data/records-dead",
        "pubsub://agency-data/" + "r" * 255,
        "pubsub://A/records",
        "pubsub:///records",
        "pubsub://agency-data/records?x=1",
    ],
)
def test_an_address_that_pubsub_would_not_take_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(url)
    assert caught.value.advice


def test_an_address_names_a_topic_a_subscription_and_the_dead_letters() -> None:
    names = parse(URL)
    assert (names.topic, names.subscription) == (TOPIC, SUBSCRIPTION)
    assert (names.dead_topic, names.dead_subscription) == (f"{TOPIC}-dead", f"{SUBSCRIPTION}-dead")
    assert len(parse("pubsub://agency-data/" + "r" * 250).dead_topic.rpartition("/")[2]) == 255
