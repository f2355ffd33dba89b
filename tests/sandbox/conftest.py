from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from services.sandbox import Sandbox, SandboxSettings
from tests.sandbox.api import Api


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(SandboxSettings(people=5)) as running:
        yield running


@pytest.fixture
async def api(sandbox: Sandbox) -> AsyncIterator[Api]:
    async with Api(sandbox) as client:
        yield client
