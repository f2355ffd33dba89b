from __future__ import annotations

from pathlib import Path

import pytest

from shared.bus import Backlog, Bus, BusSettings, open_bus
from shared.clock import ManualClock
from shared.urls import url_of
from tests.contracts.bus import BusContract, BusHarness


class SqliteHarness:
    lease_seconds = 60.0

    def __init__(self, path: Path) -> None:
        self._url = url_of("sqlite", path)
        self._clock = ManualClock()

    async def open(self) -> Bus:
        return await open_bus(
            self._url, clock=self._clock, settings=BusSettings(lease_seconds=self.lease_seconds)
        )

    async def open_live(self) -> Bus:
        return await open_bus(self._url)

    async def let_pass(self, seconds: float) -> None:
        self._clock.advance(seconds)

    async def backlog(self, bus: Bus) -> Backlog:
        return await bus.backlog()


class TestSqliteBus(BusContract):
    @pytest.fixture
    def harness(self, tmp_path: Path) -> BusHarness:
        return SqliteHarness(tmp_path / "bus.db")
