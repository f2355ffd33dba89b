from __future__ import annotations

import pytest

from shared.objects import Objects, open_objects
from tests.contracts.objects import ObjectsContract, ObjectsHarness


class GcsHarness:
    def __init__(self, url: str) -> None:
        self._url = url

    async def open(self) -> Objects:
        return await open_objects(self._url)


class TestGcsObjects(ObjectsContract):
    @pytest.fixture
    def harness(self, bucket: str) -> ObjectsHarness:
        return GcsHarness(f"gs://{bucket}")


class TestGcsObjectsUnderAPrefix(ObjectsContract):
    @pytest.fixture
    def harness(self, bucket: str) -> ObjectsHarness:
        return GcsHarness(f"gs://{bucket}/acme/ingest")
