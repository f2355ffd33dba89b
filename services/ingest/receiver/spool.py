"""Where deliveries wait while the intake bus does not take them: objects, several deliveries in each.

An object is named by when it was written and how many bytes it has, so that a list of names is all it takes
to sweep in order and to know how much is kept. Its content carries a checksum: the port promises whole
objects, and a disk that was full or a bucket that was edited by hand must still not make up deliveries.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from typing import Final

import msgspec

from services.ingest.delivery import Delivery
from shared.clock import Clock
from shared.objects import Objects

PREFIX: Final = "spool/"
UNREADABLE_PREFIX: Final = "spool-unreadable/"

_MAGIC = b"deliveries 1\n"
_DIGEST_BYTES = 32
_NAME = re.compile(r"spool/[0-9]{17,20}-([0-9]{1,12})-[0-9a-f]{16}")
_OVERHEAD_BYTES = 64
_LEAST_BYTES = 4_096
"""What an object takes at the least, a block of a disk; it also bounds how many objects there can be."""


class _Row(msgspec.Struct, array_like=True):
    event_id: int
    received_us: int
    body: bytes
    traceparent: str = ""


_decoder = msgspec.msgpack.Decoder(list[_Row])


class UnreadableError(ValueError):
    """The object is not what a spool writes."""


def encode(deliveries: Sequence[Delivery]) -> bytes:
    """Deliveries as one object."""
    packed = msgspec.msgpack.encode([_row(delivery) for delivery in deliveries])
    return b"".join((_MAGIC, hashlib.sha256(packed).digest(), packed))


def decode(data: bytes) -> Sequence[Delivery]:
    """The deliveries of an object; `UnreadableError` unless it is exactly what `encode` made."""
    start = len(_MAGIC) + _DIGEST_BYTES
    packed = memoryview(data)[start:]
    if not data.startswith(_MAGIC) or data[len(_MAGIC) : start] != hashlib.sha256(packed).digest():
        raise UnreadableError("not a whole object of the spool")
    try:
        rows = _decoder.decode(packed)
    except msgspec.MsgspecError as error:
        raise UnreadableError(str(error)) from None
    return [Delivery(row.event_id, row.received_us, row.body, row.traceparent) for row in rows]


class Spool:
    """Deliveries in `objects`, up to about `max_bytes` of them in all.

    Several processes may share the objects: each knows what the others keep as of its last `names`.
    Calls raise `StorageError` and `UnreachableError` as `Objects` does.
    """

    def __init__(self, objects: Objects, clock: Clock, *, max_bytes: int) -> None:
        self._objects = objects
        self._clock = clock
        self._max_bytes = max_bytes
        self._stored = 0
        self._reserved = 0

    @property
    def bytes(self) -> int:
        """How much is kept, with what is being written."""
        return self._stored + self._reserved

    @property
    def is_full(self) -> bool:
        """Whether there is no room even for a small delivery."""
        return self.bytes + _LEAST_BYTES > self._max_bytes

    def reserve(self, delivery: Delivery) -> bool:
        """Keep room for a delivery until `write` or `release`; False when there is none."""
        size = _size(delivery)
        if self.bytes + size > self._max_bytes:
            return False
        self._reserved += size
        return True

    def release(self, delivery: Delivery) -> None:
        """Give back the room of a delivery that is not written after all."""
        self._reserved -= _size(delivery)

    async def write(self, deliveries: Sequence[Delivery]) -> None:
        """Keep deliveries, each of which has room reserved, durably in one object."""
        data = encode(deliveries)
        name = f"{PREFIX}{self._clock.now_us():017d}-{len(data)}-{secrets.token_hex(8)}"
        try:
            await self._objects.write(name, data)
            self._stored += _weight(name)
        finally:
            for delivery in deliveries:
                self.release(delivery)

    async def names(self) -> Sequence[str]:
        """All objects of the spool, oldest first; also counts anew how much is kept."""
        names = await self._objects.list(PREFIX)
        self._stored = sum(map(_weight, names))
        return names

    async def read(self, name: str) -> Sequence[Delivery] | None:
        """The deliveries of an object; None when somebody else has swept it; `UnreadableError`."""
        stored = await self._objects.read(name)
        return None if stored is None else decode(stored.data)

    async def remove(self, name: str) -> None:
        """Forget an object, whose deliveries are elsewhere now."""
        if await self._objects.delete(name):
            self._stored = max(0, self._stored - _weight(name))

    async def set_aside(self, name: str) -> None:
        """Move an object that cannot be read out of the way, for a person to look at."""
        stored = await self._objects.read(name)
        if stored is not None:
            await self._objects.write(UNREADABLE_PREFIX + name.removeprefix(PREFIX), stored.data)
            await self.remove(name)


def _row(delivery: Delivery) -> tuple[int, int, bytes] | tuple[int, int, bytes, str]:
    """Without a context as it has always been, so that an older version reads it, too."""
    row = (delivery.event_id, delivery.received_us, delivery.body)
    return (*row, delivery.traceparent) if delivery.traceparent else row


def _size(delivery: Delivery) -> int:
    return len(delivery.body) + _OVERHEAD_BYTES


def _weight(name: str) -> int:
    match = _NAME.fullmatch(name)
    return max(_LEAST_BYTES, int(match[1])) if match else _LEAST_BYTES
