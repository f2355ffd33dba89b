"""Every adapter on Google Cloud keeps its port's contract on the real service, too."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator

import pytest

from shared.bus import BusSettings
from tests.bus.real_time import RealTimeHarness
from tests.contracts.bus import BusContract
from tests.contracts.objects import ObjectsContract, ObjectsHarness
from tests.contracts.secrets import SecretsContract
from tests.objects.test_gcs_contract import GcsHarness
from tests.secrets.test_contract import SecretManagerHarness
from tests.warehouse.test_bigquery_contract import TestBigqueryWarehouse as _BigqueryContract

__all__ = ["TestBigquery"]


class TestBigquery(_BigqueryContract):
    """With Google's own tables, and its own idea of which change is the newest."""


SETTINGS = BusSettings(lease_seconds=20.0)
"""Not much more than the shortest lease that Pub/Sub has, which is 10."""

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
    ) -> AsyncIterator[RealTimeHarness]:
        if reason := _SKIPPED.get(request.node.originalname):
            pytest.skip(reason)
        harness = RealTimeHarness(f"pubsub://{project}/{buses[0]}", SETTINGS)
        yield harness
        await harness.close()


class TestGcs(ObjectsContract):
    @pytest.fixture
    def harness(self, bucket: str) -> ObjectsHarness:
        return GcsHarness(f"gs://{bucket}/contract")


class TestSecretManager(SecretsContract):
    @pytest.fixture
    async def harness(self, project: str) -> AsyncIterator[SecretManagerHarness]:
        harness = SecretManagerHarness(f"secretmanager://{project}/test-{secrets.token_hex(4)}")
        yield harness
        store = await harness.open()
        for name in await store.names():
            await store.delete(name)
        await store.close()
