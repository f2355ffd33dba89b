"""What is known of the recycle bin from the last look into it, in one object."""

from __future__ import annotations

import heapq
import logging
from collections.abc import Iterable
from typing import Final, NamedTuple, Self

import msgspec

from shared.objects.port import Objects
from shared.productive import Learned

log = logging.getLogger(__name__)

MOST_KNOWN: Final = 20_000
"""So many deletions are followed, the latest ones: 100 requests to see them all, and 1 MB to keep them."""


class Known(NamedTuple):
    """A record that was in the bin, and since when, µs since 1970 UTC."""

    table: str
    id: str
    deleted_us: int


class BinState(msgspec.Struct, frozen=True, kw_only=True):
    """`looked_us` is when the last look began, on Productive's clock; None before the first one.

    `learned` is what is known about the endpoint, since `learned_us`.
    """

    looked_us: int | None = None
    known: tuple[Known, ...] = ()
    learned: Learned = Learned()
    learned_us: int = 0

    @classmethod
    def of(cls, looked_us: int, known: Iterable[Known], learned: Learned, learned_us: int) -> Self:
        """The state with the latest of the known deletions."""
        latest = heapq.nlargest(MOST_KNOWN, known, key=lambda one: (one.deleted_us, one.table, one.id))
        return cls(looked_us=looked_us, known=tuple(latest), learned=learned, learned_us=learned_us)


class BinStore:
    """Reads and writes one organization's state."""

    def __init__(self, objects: Objects, organization_id: str) -> None:
        self._objects = objects
        self._name = f"organizations/{organization_id}/recycle-bin.json"

    async def read(self) -> BinState:
        """The state after the last look; an empty one before the first."""
        stored = await self._objects.read(self._name)
        if stored is None:
            return BinState()
        try:
            return msgspec.json.decode(stored.data, type=BinState)
        except msgspec.MsgspecError as error:
            log.warning("%s cannot be read (%s); looking through the recycle bin anew", self._name, error)
            return BinState()

    async def save(self, state: BinState) -> None:
        """Remember it for the next look."""
        await self._objects.write(self._name, msgspec.json.encode(state))
