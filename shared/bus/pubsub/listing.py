"""The dead letters of a subscription: pulled, and kept under leases for as long as they are listed.

Pub/Sub can show a message only to whoever leases it. So what one person lists, another does not see until
the first one's bus is closed or has not been asked for ten minutes; each sees what is left. What is listed is
bounded.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from google.pubsub_v1 import SubscriberAsyncClient

from shared.bus.limits import BusSettings, size_of
from shared.bus.port import DeadLetter
from shared.bus.pubsub.acking import Acking, lease_seconds_of
from shared.bus.pubsub.calls import Calls
from shared.bus.pubsub.holding import delivery_of
from shared.bus.pubsub.letters import decode
from shared.bus.pubsub.names import Names
from shared.bus.pubsub.pulling import pull_waiting
from shared.clock import Clock
from shared.errors import IngestError

MOST_LETTERS = 10_000
MOST_BYTES = 128 << 20
"""What one listing shows at most; the rest is seen after some of it was replayed."""

_PULL_MESSAGES = 1_000
_FORGOTTEN_SECONDS = 600.0
"""Letters that nobody has asked for in so long are let go, so that others see them."""


@dataclass(slots=True)
class _Listed:
    letter: DeadLetter
    ack_id: str
    size: int
    expires: float


class Listing:
    """The dead letters that this process holds."""

    def __init__(
        self,
        names: Names,
        calls: Calls[SubscriberAsyncClient],
        acking: Acking,
        *,
        clock: Clock,
        settings: BusSettings,
    ) -> None:
        self._names = names
        self._calls = calls
        self._acking = acking
        self._clock = clock
        self._quiet_seconds = settings.quiet_seconds
        self._lease_seconds = lease_seconds_of(settings)
        self._listed: dict[str, _Listed] = {}
        self._bytes = 0
        self._used_at = clock.monotonic()
        self._gathering = asyncio.Lock()
        self._keeper: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._listed)

    def letters(self) -> Sequence[DeadLetter]:
        """Those that are held, in the order of their ids."""
        self._used_at = self._clock.monotonic()
        self._drop_ended()
        return sorted(
            (listed.letter for listed in self._listed.values()), key=lambda letter: order(letter.id)
        )

    async def gather(self, until: Callable[[], bool] = lambda: False) -> None:
        """Hold every letter there is, or as many as are allowed, or until one says that it is enough.

        Takes as long as `BusSettings.quiet_seconds` at least: Pub/Sub does not say when there are no more.
        """
        async with self._gathering:
            self._used_at = self._clock.monotonic()
            self._drop_ended()
            while len(self._listed) < MOST_LETTERS and self._bytes < MOST_BYTES and not until():
                received = await pull_waiting(
                    self._calls,
                    self._names.dead_subscription,
                    max_messages=min(_PULL_MESSAGES, MOST_LETTERS - len(self._listed)),
                    seconds=self._quiet_seconds,
                )
                if not received:
                    return
                await self._hold(received)

    def find(self, id_: str) -> DeadLetter | None:
        """The letter of that id, if it is held."""
        self._drop_ended()
        listed = self._listed.get(id_)
        return listed.letter if listed else None

    async def forget(self, ids: Iterable[str]) -> None:
        """These letters are there no more, for anybody."""
        gone = [id_ for id_ in ids if id_ in self._listed]
        await self._acking.ack([self._listed[id_].ack_id for id_ in gone])
        for id_ in gone:
            self._drop(id_)

    async def close(self) -> None:
        """Let others see them."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
            self._keeper = None
        await self._let_go()

    async def _let_go(self) -> None:
        ack_ids = [listed.ack_id for listed in self._listed.values()]
        self._listed.clear()
        self._bytes = 0
        with contextlib.suppress(IngestError):  # then the leases end by themselves
            await self._acking.keep_away(ack_ids, 0.0)

    async def _hold(self, received: Sequence[object]) -> None:
        asked_at = self._clock.monotonic()
        ack_ids = []
        for one in received:
            delivery = delivery_of(one)
            letter = decode(delivery.message_id, delivery.message, published_us=delivery.published_us)
            size = size_of(delivery.message)
            self._drop(letter.id)
            self._listed[letter.id] = _Listed(letter, delivery.lease_id, size, asked_at + self._lease_seconds)
            self._bytes += size
            ack_ids.append(delivery.lease_id)
        await self._acking.extend(ack_ids)  # the subscription's own lease may be a short one
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep())

    async def _keep(self) -> None:
        while True:
            await self._clock.sleep(self._lease_seconds / 3)
            self._drop_ended()
            if self._clock.monotonic() - self._used_at > _FORGOTTEN_SECONDS:
                await self._let_go()
            held = list(self._listed.values())
            asked_at = self._clock.monotonic()
            with contextlib.suppress(IngestError):
                await self._acking.extend([listed.ack_id for listed in held])
                for listed in held:
                    listed.expires = asked_at + self._lease_seconds

    def _drop_ended(self) -> None:
        now = self._clock.monotonic()
        for id_ in [id_ for id_, listed in self._listed.items() if listed.expires <= now]:
            self._drop(id_)

    def _drop(self, id_: str) -> None:
        listed = self._listed.pop(id_, None)
        if listed is not None:
            self._bytes -= listed.size


def order(id_: str) -> tuple[int, str]:
    """Ids are numbers as texts (seen, not documented): by their length, then as texts."""
    return len(id_), id_
