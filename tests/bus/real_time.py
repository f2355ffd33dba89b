"""A bus on Pub/Sub, or on an emulator of it, whose time is the machine's."""

from __future__ import annotations

import asyncio

from shared.bus import Backlog, Bus, BusSettings, open_bus


class RealTimeHarness:
    """See `tests.contracts.bus.BusHarness`."""

    def __init__(self, url: str, settings: BusSettings) -> None:
        self._url = url
        self._settings = settings
        self._buses: list[Bus] = []
        self.lease_seconds = settings.lease_seconds

    async def open(self) -> Bus:
        bus = await open_bus(self._url, settings=self._settings)
        self._buses.append(bus)
        return bus

    async def open_live(self) -> Bus:
        return await self.open()

    async def let_pass(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def backlog(self, bus: Bus) -> Backlog:
        """What the bus itself knows: there is nobody else to ask, or minutes later only."""
        return await bus.backlog()

    async def close(self) -> None:
        for bus in self._buses:
            await bus.close()
