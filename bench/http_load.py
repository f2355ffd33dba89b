"""A load of prepared HTTP/1.1 requests over kept-alive connections, with little work per request."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class Taken:
    """What a load came to: seconds on the wall and of each request, and how many got which status."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Requests per second."""
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        """Seconds that this share of the requests took at the most."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


async def closed_load(port: int, requests: Sequence[bytes], connections: int) -> Taken:
    """Each connection sends its next request as soon as the last one is answered."""
    waiting, taken = deque((0.0, request) for request in requests), Taken()
    clients = [await _connect(port, waiting, taken) for _ in range(connections)]
    started = time.perf_counter()
    for client in clients:
        client.next()
    await asyncio.gather(*(client.done for client in clients))
    taken.seconds = time.perf_counter() - started
    return taken


async def open_load(port: int, requests: Sequence[bytes], connections: int, rate: float) -> Taken:
    """Requests come at a rate, answered or not; a latency counts from when its request was due."""
    waiting, taken = deque[tuple[float, bytes]](), Taken()
    clients = [await _connect(port, waiting, taken) for _ in range(connections)]
    idle = deque(clients)
    for client in clients:
        client.idle = idle
    started = time.perf_counter()
    for number, request in enumerate(requests):
        due = started + number / rate
        if (pause := due - time.perf_counter()) > 0:
            await asyncio.sleep(pause)
        waiting.append((due, request))
        if idle:
            idle.popleft().next()
    for client in clients:
        client.idle = None
    for client in idle:
        client.next()
    await asyncio.gather(*(client.done for client in clients))
    taken.seconds = time.perf_counter() - started
    return taken


async def _connect(port: int, waiting: deque[tuple[float, bytes]], taken: Taken) -> _Client:
    loop = asyncio.get_running_loop()
    _, client = await loop.create_connection(lambda: _Client(waiting, taken), "127.0.0.1", port)
    return client


class _Client(asyncio.Protocol):
    """One connection; it ends when nothing waits, or with `idle` set joins those that have nothing to do."""

    def __init__(self, waiting: deque[tuple[float, bytes]], taken: Taken) -> None:
        self.done = asyncio.get_running_loop().create_future()
        self.idle: deque[_Client] | None = None
        self._waiting = waiting
        self._taken = taken
        self._due = 0.0
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("not a stream")
        self._transport = transport

    def next(self) -> None:
        if not self._waiting:
            if self.idle is not None:
                self.idle.append(self)
            else:
                self._transport.close()
            return
        due, request = self._waiting.popleft()
        self._due = due or time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end or len(body) < _length(head):
            return
        self._received = b""
        status = int(head[9:12])
        self._taken.latencies.append(time.perf_counter() - self._due)
        self._taken.statuses[status] = self._taken.statuses.get(status, 0) + 1
        self.next()

    def connection_lost(self, _: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0
