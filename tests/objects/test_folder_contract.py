from __future__ import annotations

from pathlib import Path

import pytest

from shared.objects import Objects, open_objects
from shared.urls import url_of
from tests.contracts.objects import ObjectsContract, ObjectsHarness


class FolderHarness:
    def __init__(self, path: Path) -> None:
        self._url = url_of("file", path)

    async def open(self) -> Objects:
        return await open_objects(self._url)


class TestFolderObjects(ObjectsContract):
    @pytest.fixture
    def harness(self, tmp_path: Path) -> ObjectsHarness:
        return FolderHarness(tmp_path / "objects")
