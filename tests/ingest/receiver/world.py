"""A receiver with a real bus on a file and real objects in a folder, both of which can be made to fail."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from services.ingest.delivery import Delivery
from services.ingest.receiver.environment import ReceiverEnvironment
from services.ingest.receiver.limits import ReceiverLimits
from services.ingest.receiver.service import Receiver
from services.ingest.receiver.signature import sign
from services.ingest.receiver.spool import UNREADABLE_PREFIX, Spool
from shared.bus import BusSettings, Message
from shared.bus.sqlite.adapter import SqliteBus
from shared.bus.sqlite.committer import Committer
from shared.clock import MICROSECONDS, Clock, SystemClock
from shared.errors import StorageError, UnreachableError
from shared.objects import Generation, StoredObject
from shared.objects.folder.adapter import FolderObjects
from shared.secrets import Secret

EVENT = 1
TOKEN = Secret("5b1c7a52-1f7e-4a66-8f0e-6f3a1b2c3d4e")
State = Literal["working", "down", "hanging"]

QUICK = ReceiverLimits(
    publish_seconds=0.1,
    spool_seconds=0.1,
    first_pause_seconds=0.02,
    longest_pause_seconds=0.05,
    sweep_seconds=0.01,
    sweep_idle_seconds=0.05,
    sweep_call_seconds=0.2,
)
"""Short waits, for tests that go through many of them."""


class FaultyBus(SqliteBus):
    """The real thing, and whatever can become of a publish."""

    state: State = "working"
    batches: list[int]

    async def publish(self, messages: Sequence[Message]) -> None:
        if self.state == "down":
            raise UnreachableError("the bus does not answer")
        if self.state == "hanging":
            await asyncio.Event().wait()
        await super().publish(messages)
        self.batches.append(len(messages))

    async def deliveries(self) -> list[Delivery]:
        """Take all that is there."""
        found: list[Delivery] = []
        while leased := await self.pull(max_messages=1_000, max_bytes=1 << 30, wait_seconds=0):
            found += [Delivery.of(delivery.message) for delivery in leased]
            await self.ack([delivery.lease_id for delivery in leased])
        return found


class FaultyObjects(FolderObjects):
    """The real thing, and whatever can become of a call."""

    state: State = "working"
    unreadable = ""

    async def _fault(self) -> None:
        if self.state == "down":
            raise StorageError("the disk is full")
        if self.state == "hanging":
            await asyncio.Event().wait()

    async def write(self, name: str, data: bytes) -> Generation:
        await self._fault()
        return await super().write(name, data)

    async def read(self, name: str) -> StoredObject | None:
        await self._fault()
        if name == self.unreadable:
            raise StorageError("a bad sector")
        return await super().read(name)

    async def list(self, prefix: str = "") -> Sequence[str]:
        await self._fault()
        return await super().list(prefix)

    async def delete(self, name: str) -> bool:
        await self._fault()
        return await super().delete(name)


@dataclass
class Tokens:
    """Tokens by event id; `elsewhere` is what other processes have made of them."""

    known: dict[int, Sequence[Secret]] = field(default_factory=lambda: {EVENT: (TOKEN,)})
    elsewhere: dict[int, Sequence[Secret]] = field(default_factory=dict)
    rereads: int = 0
    is_down: bool = False

    async def tokens(self, event_id: int) -> Sequence[Secret]:
        if self.is_down:
            raise StorageError("the secrets cannot be read")
        return self.known.get(event_id, ())

    async def reread(self) -> bool:
        self.rereads += 1
        changed = bool(self.elsewhere)
        self.known |= self.elsewhere
        self.elsewhere = {}
        return changed


@dataclass
class World:
    """What a test may touch."""

    env: ReceiverEnvironment
    bus: FaultyBus
    objects: FaultyObjects
    tokens: Tokens

    async def spooled(self) -> Sequence[str]:
        return await Spool(self.objects, self.env.clock, max_bytes=1).names()

    async def unreadable(self) -> Sequence[str]:
        return await self.objects.list(UNREADABLE_PREFIX)

    def metric(self, name: str, **labels: str) -> float:
        return self.env.metrics.registry.get_sample_value(name, labels) or 0.0

    def limited(self, limits: ReceiverLimits) -> World:
        """The same world for a receiver with other limits."""
        return replace(self, env=replace(self.env, limits=limits))


@contextlib.asynccontextmanager
async def open_world(
    folder: Path,
    *,
    limits: ReceiverLimits = QUICK,
    bus_bytes: int = 1 << 28,
    clock: Clock | None = None,
) -> AsyncIterator[World]:
    clock = clock or SystemClock()
    committer = Committer(folder / "intake.sqlite")
    await committer.open()
    bus = FaultyBus(committer, clock=clock, settings=BusSettings(max_bytes=bus_bytes))
    bus.batches = []
    objects = FaultyObjects(folder / "objects", clock=clock)
    await objects.open()
    tokens = Tokens()
    env = ReceiverEnvironment(intake=bus, objects=objects, tokens=tokens, clock=clock, limits=limits, port=0)
    try:
        yield World(env, bus, objects, tokens)
    finally:
        await bus.close()
        await objects.close()


@dataclass(frozen=True)
class Answer:
    """What came back: the status, the header's fields in lower case, and the body."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Client:
    """Speaks to a receiver over sockets of its own, byte for byte."""

    address: tuple[str, int]
    clock: Clock = field(default_factory=SystemClock)

    def head(self, body: bytes, *, event: str = str(EVENT), token: Secret = TOKEN, late: int = 0) -> bytes:
        """A good request's head; `late` moves the time of its signature."""
        seconds = self.clock.now_us() // MICROSECONDS + late
        signature = sign(token, body, seconds=seconds)
        return (
            f"POST /webhooks/productive/{event} HTTP/1.1\r\nHost: test\r\n"
            f"Content-Length: {len(body)}\r\nProductive-Signature: {signature}\r\n\r\n"
        ).encode()

    async def deliver(
        self, body: bytes, *, token: Secret = TOKEN, late: int = 0, event: int = EVENT
    ) -> Answer:
        """Post a signed body."""
        return await self.send(self.head(body, token=token, late=late, event=str(event)) + body)

    async def get(self, path: str, method: str = "GET") -> Answer:
        return await self.send(
            f"{method} {path} HTTP/1.1\r\nHost: test\r\n\r\n".encode(), has_body=method != "HEAD"
        )

    async def send(self, request: bytes, *, has_body: bool = True) -> Answer:
        """Send bytes as they are, and read one answer."""
        async with self.connected() as (reader, writer):
            writer.write(request)
            return await answer(reader, has_body=has_body)

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection(*self.address)
        try:
            yield reader, writer
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait for what another task brings about; the test's own timeout is the bound."""
    while not condition():  # noqa: ASYNC110 -- there is no event for it
        await asyncio.sleep(0.002)


async def answer(reader: asyncio.StreamReader, *, has_body: bool = True) -> Answer:
    """Read one answer."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    fields = dict(line.lower().split(": ", 1) for line in head[1:] if ": " in line)
    length = int(fields.get("content-length", "0")) if has_body else 0
    return Answer(int(head[0].split()[1]), fields, await reader.readexactly(length))


@contextlib.asynccontextmanager
async def running(world: World) -> AsyncIterator[Client]:
    """A receiver that listens in this world."""
    receiver = Receiver(world.env)
    address = await receiver.start()
    try:
        yield Client(address, world.env.clock)
    finally:
        await receiver.close()
