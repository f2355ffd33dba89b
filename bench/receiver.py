"""Signed webhooks per second that are durable before they are answered, beside a handler that does nothing.

Both are processes of their own, take the same requests over the same kept-alive connections, and are
measured in turn; the load runs on the other core.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import statistics
import time
from pathlib import Path

from bench.http_load import Taken, closed_load, open_load
from bench.processes import serving
from bench.receiver_process import TOKEN
from bench.report import Figure, Options

RECEIVER = "bench.receiver_process"
GOAL = 1 / 0.5
P99_GOAL = 50.0
_ROUNDS = 7
_REQUESTS = 10_000
_CONNECTIONS = 128
_EVENTS = (*range(1, 6), *range(7, 35))
_PADDING = "x" * 1_200  # a delivery with its record is 1 to 4 KB
_numbers = itertools.count(1)


async def measure(options: Options) -> list[Figure]:
    """The ratio of the two, and how long an answer takes at half the load."""
    ours, bare, p99s = [], [], []
    for number in range(_ROUNDS):
        bare.append(await _at_full_load("bare", options.folder / f"receiver-{number}"))
        ours.append(await _at_full_load("sqlite", options.folder / f"receiver-{number}"))
        half = await _at_half_load(ours[-1].rate / 2, options.folder / f"receiver-half-{number}")
        p99s.append(half.percentile(0.99) * 1000)
    rates = [taken.rate for taken in ours]
    return [
        Figure(
            "receiver",
            "bare aiohttp handler ÷ signed webhooks made durable, requests/s",
            statistics.median(least.rate / taken.rate for least, taken in zip(bare, ours, strict=True)),
            "ratio",
            at_most=GOAL,
            detail={
                "ours/s": statistics.median(rates),
                "bare/s": statistics.median(taken.rate for taken in bare),
            },
        ),
        Figure(
            "receiver",
            "99 % of the answers at half that load within",
            statistics.median(p99s),
            "ms",
            at_most=P99_GOAL,
            detail={"requests/s": statistics.median(rates) / 2},
        ),
    ]


async def _at_full_load(kind: str, folder: Path) -> Taken:
    async with serving(RECEIVER, kind, str(folder)) as port:
        await closed_load(port, _requests(500), _CONNECTIONS)
        return _all_good(await closed_load(port, _requests(_REQUESTS), _CONNECTIONS))


async def _at_half_load(rate: float, folder: Path) -> Taken:
    async with serving(RECEIVER, "sqlite", str(folder)) as port:
        return _all_good(await open_load(port, _requests(int(rate * 3)), _CONNECTIONS, rate))


def _all_good(taken: Taken) -> Taken:
    if taken.statuses.keys() != {200}:
        raise RuntimeError(f"not all deliveries were taken: {taken.statuses}")
    return taken


def _requests(count: int) -> list[bytes]:
    return [signed_request(next(_numbers)) for _ in range(count)]


def signed_request(number: int) -> bytes:
    """A delivery as Productive sends it, of a record that no other has."""
    event = _EVENTS[number % len(_EVENTS)]
    body = (
        f'{{"event": "update_task", "item_type": "task", "item_id": {number}, "padding": "{_PADDING}"}}'
    ).encode()
    now = int(time.time())
    signature = hmac.new(TOKEN.encode(), f"{now}.".encode() + body, hashlib.sha256).hexdigest()
    head = (
        f"POST /webhooks/productive/{event} HTTP/1.1\r\nHost: hooks.example.com\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"Productive-Signature: t={now}, s={signature}\r\n\r\n"
    )
    return head.encode() + body
