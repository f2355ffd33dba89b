"""A bus on a stand-in for Pub/Sub, for tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from google.pubsub_v1 import types

from shared.bus import Backlog, Bus, BusSettings
from shared.bus.limits import size_of
from shared.bus.port import Message
from shared.bus.pubsub.adapter import PubsubBus
from shared.bus.pubsub.connect import connect
from tests.google.pubsub_clock import ForwardClock
from tests.google.pubsub_server import PubsubServer
from tests.google.pubsub_state import PubsubState, Subscribed

URL = "pubsub://agency-data/records"
PROJECT = "projects/agency-data"
TOPIC = f"{PROJECT}/topics/records"
SUBSCRIPTION = f"{PROJECT}/subscriptions/records"
SETTINGS = BusSettings(quiet_seconds=0.25, retry_seconds=5.0)


class World:
    """A stand-in, a clock of its own, and the buses that were opened on it."""

    lease_seconds = SETTINGS.lease_seconds

    def __init__(self) -> None:
        self.clock = ForwardClock()
        self.state = PubsubState(self.clock)
        self.server = PubsubServer(self.state)
        self._buses: list[PubsubBus] = []

    @property
    def subscription(self) -> Subscribed:
        return self.state.subscriptions[SUBSCRIPTION]

    @property
    def dead(self) -> Subscribed:
        return self.state.subscriptions[f"{SUBSCRIPTION}-dead"]

    def make_plain(self) -> None:
        """Make the bus without a retry policy, so that what is given back comes again at once."""
        for name in ("records-dead", "records"):
            self.state.topics[f"{PROJECT}/topics/{name}"] = types.Topic.pb()(name=name)
            config: Any = types.Subscription.pb()(
                name=f"{PROJECT}/subscriptions/{name}",
                topic=f"{PROJECT}/topics/{name}",
                ack_deadline_seconds=60,
            )
            config.expiration_policy.SetInParent()
            config.message_retention_duration.seconds = 31 * 86_400
            if name == "records":
                config.dead_letter_policy.dead_letter_topic = f"{PROJECT}/topics/records-dead"
                config.dead_letter_policy.max_delivery_attempts = 100
            self.state.subscriptions[config.name] = Subscribed(self.state, config)

    async def open(self, settings: BusSettings = SETTINGS) -> PubsubBus:
        bus = await connect(URL, clock=self.clock, settings=settings)
        self._buses.append(bus)
        return bus

    async def open_live(self) -> Bus:
        return await self.open()

    async def let_pass(self, seconds: float, *, steps: int = 12) -> None:
        """Step by step, so that whoever keeps leases gets to keep them."""
        for _ in range(steps):
            self.clock.advance(seconds / steps)
            self.state.tick()
            await self.settle()

    async def settle(self) -> None:
        """Let everything that is being told arrive."""
        for _ in range(10):
            await asyncio.sleep(0)
        while not all(bus.is_idle for bus in self._buses):  # noqa: ASYNC110 -- over real connections
            await asyncio.sleep(0.001)

    async def backlog(self, bus: Bus) -> Backlog:
        """What the stand-in has."""
        messages = [entry.message for entry in self.subscription.unacked]
        published = [message.publish_time.ToMicroseconds() for message in messages]
        return Backlog(
            messages=len(messages),
            bytes=sum(size_of(Message(message.data, dict(message.attributes))) for message in messages),
            oldest_us=min(published, default=None),
            dead_letters=len(self.dead.unacked),
        )

    async def close(self) -> None:
        for bus in self._buses:
            await bus.close()
        await self.server.stop()


@asynccontextmanager
async def running_world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """A world whose stand-in is where Google's clients look for Pub/Sub."""
    world = World()
    port = await world.server.start()
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", f"127.0.0.1:{port}")
    monkeypatch.delenv("MONITORING_EMULATOR_HOST", raising=False)
    try:
        yield world
    finally:
        await world.close()
