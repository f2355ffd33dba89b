"""How much waits on the buses, looked at now and again, because a scrape cannot wait for a store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

from prometheus_client import CollectorRegistry

from shared.bus.port import Backlog, Bus
from shared.clock import MICROSECONDS, Clock
from shared.telemetry.metrics import writer as metrics

log = logging.getLogger(__name__)

_CALL_SECONDS: Final = 10.0
_UNKNOWN: Final = float("nan")


class BusMetrics:
    """The backlogs of some buses, in `registry`; not a number while a bus does not tell."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._messages = metrics.BUS_MESSAGES.gauge(registry)
        self._bytes = metrics.BUS_BYTES.gauge(registry)
        self._oldest = metrics.BUS_OLDEST_SECONDS.gauge(registry)
        self._dead_letters = metrics.BUS_DEAD_LETTERS.gauge(registry)

    async def watch(self, buses: Mapping[str, Bus], clock: Clock, *, seconds: float) -> None:
        """Look every `seconds`, until cancelled; no error ends it."""
        while True:
            for name, bus in buses.items():
                await self.look(name, bus, clock)
            await clock.sleep(seconds)

    async def look(self, name: str, bus: Bus, clock: Clock) -> None:
        """Look once."""
        try:
            async with asyncio.timeout(_CALL_SECONDS):
                backlog = await bus.backlog()
        except Exception as error:
            # Whoever uses the bus says why; this happens beside that, and must not end what it watches.
            log.debug("the backlog of %s is not known: %s", name, error)
            for gauge in (self._messages, self._bytes, self._oldest, self._dead_letters):
                gauge.labels(name).set(_UNKNOWN)
            return
        self._show(name, backlog, clock.now_us())

    def _show(self, name: str, backlog: Backlog, now_us: int) -> None:
        age_us = 0 if backlog.oldest_us is None else max(0, now_us - backlog.oldest_us)
        self._messages.labels(name).set(backlog.messages)
        self._bytes.labels(name).set(backlog.bytes)
        self._oldest.labels(name).set(age_us / MICROSECONDS)
        self._dead_letters.labels(name).set(backlog.dead_letters)
