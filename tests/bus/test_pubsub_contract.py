from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.bus.pubsub_world import World, running_world
from tests.contracts.bus import BusContract


class TestPubsubBus(BusContract):
    """On a stand-in: always."""

    replaces_in_place = False

    @pytest.fixture
    async def harness(self, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
        async with running_world(monkeypatch) as world:
            world.make_plain()
            yield world
