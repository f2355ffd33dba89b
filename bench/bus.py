"""The bus in an SQLite file: messages that became durable in a second, for information."""

from __future__ import annotations

import asyncio
import os
import time

from bench.report import Figure, Options
from shared.bus import Bus, Message, open_bus
from shared.urls import url_of

_SECONDS = 3.0
_SIZES = {"1 KB, as from a webhook": 1_000, "20 KB, as a page of a crawl": 20_000}
_MOST_AT_ONCE = 100


async def measure(options: Options) -> list[Figure]:
    """Publishing by one and by 64 at a time, and taking what was published."""
    figures = []
    for size, length in _SIZES.items():
        message = Message(os.urandom(length), {"table": "time_entries"})
        for publishers in (1, 64):
            path = options.folder / f"bus-{length}-{publishers}.sqlite"
            bus = await open_bus(url_of("sqlite", path))
            try:
                published, seconds = await _publish(bus, message, publishers)
                taken, draining = await _drain(bus)
            finally:
                await bus.close()
            figures.append(
                Figure(
                    "bus",
                    f"published, {size}, {publishers} at a time",
                    published / seconds,
                    "messages/s",
                    detail={"taken and acked per s": taken / draining},
                )
            )
    return figures


async def _publish(bus: Bus, message: Message, publishers: int) -> tuple[int, float]:
    """How many were published, and in how many seconds."""
    started = time.monotonic()

    async def publish() -> int:
        count = 0
        # Half a bus at the most: one that is full makes publishers wait.
        while time.monotonic() - started < _SECONDS and count * publishers * len(message.body) < 100_000_000:
            await bus.publish([message])
            count += 1
        return count

    counts = await asyncio.gather(*(publish() for _ in range(publishers)))
    return sum(counts), time.monotonic() - started


async def _drain(bus: Bus) -> tuple[int, float]:
    taken = 0
    started = time.monotonic()
    while True:
        deliveries = await bus.pull(max_messages=_MOST_AT_ONCE, max_bytes=8 << 20, wait_seconds=0.0)
        if not deliveries:
            return taken, time.monotonic() - started
        await bus.ack([delivery.lease_id for delivery in deliveries])
        taken += len(deliveries)
