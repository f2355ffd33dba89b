"""The bus on Pub/Sub, beside the same calls made raw; and the receiver with its intake there.

Pub/Sub is the tests' stand-in, in a process of its own: what it does counts for both sides of a ratio.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable
from pathlib import Path

from rich.console import Console

from bench import pubsub_floor
from bench.http_load import Taken, closed_load, open_load
from bench.processes import serving
from bench.receiver import RECEIVER, signed_request
from bench.report import Figure, Options, print_figures
from shared.bus import Bus, BusSettings, Message
from shared.bus.pubsub.connect import connect
from shared.clock import SystemClock

_SERVER = "tests.google.pubsub_server"
_PROJECT = "agency-data"
_SIZES = {"1 KB, as from a webhook": (1_000, 16_000), "20 KB, as a page of a crawl": (20_000, 6_400)}
_PUBLISHERS = 64
_ROUNDS = 3
_REQUESTS = 6_000
_CONNECTIONS = 128


async def measure(options: Options) -> list[Figure]:
    """Publishing and reading as ratios to raw calls, and signed webhooks to a handler that only reads."""
    figures = []
    async with serving(_SERVER) as port:
        # For the clients here, and for the processes that are started from here.
        os.environ["PUBSUB_EMULATOR_HOST"] = address = f"127.0.0.1:{port}"
        try:
            for size, (length, count) in _SIZES.items():
                figures += await _bus(address, size, length, count)
            figures += await _receiver(options)
        finally:
            del os.environ["PUBSUB_EMULATOR_HOST"]
    return figures


async def _bus(address: str, size: str, length: int, count: int) -> list[Figure]:
    ours: list[tuple[float, float]] = []
    raw: list[tuple[float, float]] = []
    body = os.urandom(length)
    for number in range(_ROUNDS):
        name = f"records-{length}-{number}"
        bus = await connect(f"pubsub://{_PROJECT}/{name}", clock=SystemClock(), settings=BusSettings())
        try:
            ours.append((await _timed(_publish(bus, body, count)), await _timed(_read(bus, count))))
            topic, subscription = (
                f"projects/{_PROJECT}/{kind}/{name}" for kind in ("topics", "subscriptions")
            )
        finally:
            await bus.close()
        raw.append(
            (
                await _timed(pubsub_floor.publish(address, topic, body, count)),
                await _timed(pubsub_floor.read(address, subscription, count)),
            )
        )
    return [
        Figure(
            "pubsub",
            f"{what}, {size} ÷ raw gRPC calls",
            statistics.median(mine[side] / least[side] for mine, least in zip(ours, raw, strict=True)),
            "ratio",
            detail={
                "ours/s": count / statistics.median(mine[side] for mine in ours),
                "raw/s": count / statistics.median(least[side] for least in raw),
            },
        )
        for side, what in enumerate(("published, 64 at a time", "taken and acked"))
    ]


async def _publish(bus: Bus, body: bytes, count: int) -> None:
    message = Message(body, {"table": "time_entries"})

    async def publish() -> None:
        for _ in range(count // _PUBLISHERS):
            await bus.publish([message])

    await asyncio.gather(*(publish() for _ in range(_PUBLISHERS)))


async def _read(bus: Bus, count: int) -> None:
    taken = 0
    while taken < count:
        deliveries = await bus.pull(max_messages=100, max_bytes=8 << 20, wait_seconds=5.0)
        if not deliveries:
            raise RuntimeError(f"nothing comes any more after {taken} of {count} messages")
        taken += len(deliveries)
        await bus.ack([delivery.lease_id for delivery in deliveries])


async def _receiver(options: Options) -> list[Figure]:
    ours, bare, p99s = [], [], []
    for number in range(_ROUNDS):
        folder = str(options.folder / f"pubsub-receiver-{number}")
        async with serving(RECEIVER, "bare", folder) as port:
            bare.append(await _load(port))
        async with serving(RECEIVER, "pubsub", folder) as port:
            ours.append(await _load(port))
            half = ours[-1].rate / 2
            requests = [signed_request(number) for number in range(int(half * 3))]
            p99s.append((await open_load(port, requests, _CONNECTIONS, half)).percentile(0.99) * 1_000)
    rates = [taken.rate for taken in ours]
    return [
        Figure(
            "pubsub",
            "bare aiohttp handler ÷ signed webhooks on Pub/Sub, requests/s",
            statistics.median(least.rate / taken.rate for least, taken in zip(bare, ours, strict=True)),
            "ratio",
            detail={
                "ours/s": statistics.median(rates),
                "bare/s": statistics.median(taken.rate for taken in bare),
            },
        ),
        Figure(
            "pubsub",
            "99 % of the answers at half that load within",
            statistics.median(p99s),
            "ms",
            detail={"requests/s": statistics.median(rates) / 2},
        ),
    ]


async def _load(port: int) -> Taken:
    await closed_load(port, [signed_request(number) for number in range(500)], _CONNECTIONS)
    taken = await closed_load(
        port, [signed_request(number) for number in range(500, 500 + _REQUESTS)], _CONNECTIONS
    )
    if taken.statuses.keys() != {200}:
        raise RuntimeError(f"not all deliveries were taken: {taken.statuses}")
    return taken


async def _timed(work: Awaitable[None]) -> float:
    started = time.perf_counter()
    await work
    return time.perf_counter() - started


def main() -> None:
    """Measure this alone, and print it."""
    with tempfile.TemporaryDirectory(prefix="productive-bench-") as folder:
        figures = asyncio.run(measure(Options(full=False, folder=Path(folder))))
    print_figures(Console(width=140), figures)


if __name__ == "__main__":
    main()
