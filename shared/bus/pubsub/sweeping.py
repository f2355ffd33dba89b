"""Looking through the messages of a subscription, as far as Pub/Sub lets anybody.

Only what can be leased can be seen: what another process holds cannot, nor what waits out a delay. A message
cannot be changed: its replacement is published as a new one, and then the old one acked.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.bus.limits import MAX_LEASE_SECONDS
from shared.bus.port import Judge, Message, Swept
from shared.bus.pubsub.acking import Acking
from shared.bus.pubsub.holding import Held, Holding, delivery_of
from shared.bus.pubsub.letters import Death, encode
from shared.bus.pubsub.listing import MOST_LETTERS, Listing
from shared.bus.pubsub.publishing import Publishing
from shared.clock import Clock
from shared.errors import StorageError

log = logging.getLogger(__name__)

_LONGEST_SECONDS = 540.0
"""Less than what was looked at is kept away, so that nothing is looked at twice."""

_MOST_MESSAGES = 200_000


@dataclass
class Sweep:
    """One sweep of a bus's messages. `pull` brings what waits on the subscription, nothing when quiet."""

    judge: Judge
    pull: Callable[[], Awaitable[Sequence[Any]]]
    holding: Holding
    acking: Acking
    publishing: Publishing
    clock: Clock
    _seen: set[str] = field(default_factory=set)
    _kept: set[str] = field(default_factory=set)

    async def run(self) -> Swept:
        """Judge what this process holds, then what it can get, until there is nothing more.

        What stays is kept away from readers until the end, and then given back: that counts as one more
        delivery of each. `StorageError` when there is more than can be gone through.
        """
        swept, end = Swept(), self.clock.monotonic() + _LONGEST_SECONDS
        try:
            while True:
                swept += (held := await self._held())
                received = await self.pull()
                if not received and held is _NOTHING:
                    return swept
                swept += await self._received(received)
                if self.clock.monotonic() >= end or len(self._seen) > _MOST_MESSAGES:
                    raise StorageError(
                        f"more waits than can be looked through ({len(self._seen):,} messages were)",
                        advice="Let the writer go on until less waits, stop it, and run this again.",
                    )
        finally:
            await self.acking.keep_away(list(self._kept), 0.0)

    async def _held(self) -> Swept:
        news = [held for held in self.holding.all() if held.delivery.message_id not in self._seen]
        if not news:
            return _NOTHING
        swept = Swept()
        for held in news:
            self._seen.add(held.delivery.message_id)
            judged = await self.judge(held.delivery.message)
            if judged != held.delivery.message and self.holding.live([held.ack_id]):
                swept += await self._change_held(held, judged)
        return swept

    async def _change_held(self, held: Held, judged: Message | None) -> Swept:
        # Whoever has it may still ack it, which then says nothing new.
        self.holding.drop([held.ack_id])
        if judged is not None:
            await self.publishing.publish([judged])
        await self.acking.ack([held.ack_id])
        return Swept(int(judged is None), int(judged is not None), int(held.is_given))

    async def _received(self, received: Iterable[Any]) -> Swept:
        deliveries = [delivery_of(one) for one in received]
        self._kept.update(delivery.lease_id for delivery in deliveries)
        await self.acking.keep_away([delivery.lease_id for delivery in deliveries], MAX_LEASE_SECONDS)
        dropped: list[str] = []
        replaced: list[str] = []
        try:
            for delivery in deliveries:
                self._seen.add(delivery.message_id)
                judged = await self.judge(delivery.message)
                if judged is None:
                    dropped.append(delivery.lease_id)
                elif judged != delivery.message:
                    await self.publishing.publish([judged])
                    replaced.append(delivery.lease_id)
        finally:
            await self.acking.ack([*dropped, *replaced])
            self._kept.difference_update(dropped, replaced)
        return Swept(len(dropped), len(replaced))


_NOTHING = Swept()


async def sweep_letters(judge: Judge, listing: Listing, dead: Publishing) -> Swept:
    """Judge the dead letters that can be listed; a replaced one keeps its reason and gets a new id."""
    await listing.gather()
    letters = listing.letters()
    if len(letters) >= MOST_LETTERS:
        log.warning("only the first %d dead letters were looked through", len(letters))
    dropped: list[str] = []
    replaced: list[str] = []
    try:
        for letter in letters:
            judged = await judge(letter.message)
            if judged is None:
                dropped.append(letter.id)
            elif judged != letter.message:
                death = Death(letter.reason, letter.attempts, letter.died_us)
                await dead.publish([encode(judged, death)])
                replaced.append(letter.id)
    finally:
        await listing.forget([*dropped, *replaced])
    return Swept(len(dropped), len(replaced))
