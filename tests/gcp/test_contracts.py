"""Every adapter on Google Cloud keeps its port's contract on the real service, too."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest

from shared.bus import Backlog, Bus, BusSettings, open_bus
from shared.objects import Objects, open_objects
from shared.secrets import Secrets, open_secrets
from tests.contracts.bus import BusContract
from tests.contracts.objects import ObjectsContract, ObjectsHarness
from tests.contracts.secrets import SecretsContract
from tests.warehouse.test_bigquery_contract import TestBigqueryWarehouse as _BigqueryContract

__all__ = ["TestBigquery"]


class TestBigquery(_BigqueryContract):
    """With Google's own tables, and its own idea of which change is the newest."""


class PubsubHarness:
    lease_seconds = 20.0
    """Not much more than the shortest that Pub/Sub has, which is 10."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._buses: list[Bus] = []

    async def open(self) -> Bus:
        bus = await open_bus(self._url, settings=BusSettings(lease_seconds=self.lease_seconds))
        self._buses.append(bus)
        return bus

    async def open_live(self) -> Bus:
        return await self.open()

    async def let_pass(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def backlog(self, bus: Bus) -> Backlog:
        return await bus.backlog()

    async def close(self) -> None:
        for bus in self._buses:
            await bus.close()


_MINUTES_LATE = "Cloud Monitoring tells what waits minutes later"
_SKIPPED = {
    "test_everything_is_there_when_the_bus_is_opened_again": _MINUTES_LATE,
    "test_the_backlog_counts_what_is_not_acked_and_what_died": _MINUTES_LATE,
    "test_a_sweep_drops_and_replaces_as_it_is_told": _MINUTES_LATE,
}


class TestPubsub(BusContract):
    replaces_in_place = False

    @pytest.fixture
    async def harness(
        self, request: pytest.FixtureRequest, project: str, buses: list[str]
    ) -> AsyncIterator[PubsubHarness]:
        if reason := _SKIPPED.get(request.node.originalname):
            pytest.skip(reason)
        harness = PubsubHarness(f"pubsub://{project}/{buses[0]}")
        yield harness
        await harness.close()


class GcsHarness:
    def __init__(self, url: str) -> None:
        self._url = url

    async def open(self) -> Objects:
        return await open_objects(self._url)


class TestGcs(ObjectsContract):
    @pytest.fixture
    def harness(self, bucket: str) -> ObjectsHarness:
        return GcsHarness(f"gs://{bucket}/contract")


class SecretManagerHarness:
    def __init__(self, url: str) -> None:
        self._url = url

    async def open(self) -> Secrets:
        return await open_secrets(self._url)


class TestSecretManager(SecretsContract):
    @pytest.fixture
    async def harness(self, project: str) -> AsyncIterator[SecretManagerHarness]:
        harness = SecretManagerHarness(f"secretmanager://{project}/test-{secrets.token_hex(4)}")
        yield harness
        store = await harness.open()
        for name in await store.names():
            await store.delete(name)
        await store.close()
