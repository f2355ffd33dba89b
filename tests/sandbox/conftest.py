from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from services.sandbox import Sandbox, SandboxSettings
from services.sandbox.zone import instant
from shared.clock import ManualClock
from tests.sandbox.api import Api


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    # The morning after the agency's last day: dates in tests must not depend on when they run.
    clock = ManualClock(start_us=instant("2026-11-21T09:00:00+01:00"))
    async with Sandbox(SandboxSettings(people=5), clock=clock) as running:
        yield running


@pytest.fixture
async def api(sandbox: Sandbox) -> AsyncIterator[Api]:
    async with Api(sandbox) as client:
        yield client
