"""The bus's calls on Pub/Sub: publish and subscribe with leases of our own making sense of Pub/Sub's."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

from google.pubsub_v1 import PublisherAsyncClient, SubscriberAsyncClient

from shared.bus.limits import BusSettings
from shared.bus.port import Backlog, DeadLetter, Delivery, Judge, Message, Swept
from shared.bus.pubsub.acking import Acking
from shared.bus.pubsub.calls import Calls
from shared.bus.pubsub.clients import Clients
from shared.bus.pubsub.counting import Counting
from shared.bus.pubsub.holding import LONGEST_HOLD_SECONDS, Held, Holding
from shared.bus.pubsub.letters import Death, encode
from shared.bus.pubsub.listing import Listing, order
from shared.bus.pubsub.names import DEAD, Names
from shared.bus.pubsub.provisioning import Provisioning
from shared.bus.pubsub.publishing import Publishing
from shared.bus.pubsub.pulling import pull_waiting
from shared.bus.pubsub.streaming import Stream
from shared.bus.pubsub.sweeping import Sweep, sweep_letters
from shared.clock import Clock
from shared.errors import ConfigError, IngestError, StorageError

_CLOSING_SECONDS = 5.0
_LAST_SECONDS = 1.0
"""Cloud Run gives ten seconds from SIGTERM to the end; what is not given back by then comes by itself."""

_SWEEP_MESSAGES = 100
_REPLAYS_AT_ONCE = 100


class PubsubBus:
    """See `shared.bus.port.Bus`. Many processes on many machines may share it.

    A publish is durable when it returns. Messages come on a stream that the first `pull` opens, into a
    buffer that `BusSettings.max_outstanding_*` bound; their leases are kept while they wait there. A lease
    is forgotten here when its time is over by our own clock, so that a late ack leaves the message to
    whoever has it then.
    """

    def __init__(self, names: Names, *, clock: Clock, settings: BusSettings) -> None:
        self._names = names
        self._clock = clock
        self._settings = settings
        self._clients = clients = Clients()
        self._publisher: Calls[PublisherAsyncClient] = Calls(
            clients.publisher, names, clock=clock, settings=settings
        )
        self._subscriber: Calls[SubscriberAsyncClient] = Calls(
            clients.subscriber, names, clock=clock, settings=settings
        )
        self._publishing = Publishing(names.topic, self._publisher, settings)
        self._dead = Publishing(names.dead_topic, self._publisher, settings)
        self._acking = Acking(names.subscription, self._subscriber, settings)
        self._dead_acking = Acking(names.dead_subscription, self._subscriber, settings)
        self._holding = Holding(clock, settings.lease_seconds)
        self._stream = Stream(names, clients, self._holding, self._acking, clock=clock, settings=settings)
        self._listing = Listing(names, self._subscriber, self._dead_acking, clock=clock, settings=settings)
        self._counting = Counting(names, clock)
        self._delayed_until = clock.monotonic()
        self._is_closed = False

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being published or told at the moment."""
        return all(part.is_idle for part in (self._publishing, self._dead, self._acking, self._dead_acking))

    async def provision(self) -> None:
        """Make what is missing of the bus; see `shared.bus.pubsub.provisioning`."""
        await Provisioning(self._names, self._publisher, self._subscriber, self._settings).run()

    async def publish(self, messages: Sequence[Message]) -> None:
        """See `Bus.publish`. `RecordError`, before anything is published, for a message no bus would take."""
        await self._publishing.publish(messages)

    async def pull(self, *, max_messages: int, max_bytes: int, wait_seconds: float) -> Sequence[Delivery]:
        """See `Bus.pull`. Raises what keeps the stream from being opened, once that is sure to last."""
        if max_messages < 1:
            raise ConfigError(f"a pull of {max_messages} messages")
        deadline = self._clock.monotonic() + wait_seconds
        while True:
            self._check_open()
            self._stream.open()
            seen = self._holding.arrivals.count
            if taken := self._holding.take(max_messages=max_messages, max_bytes=max_bytes):
                await self._refresh(taken)
                return tuple(held.delivery for held in taken)
            if (trouble := self._stream.news()) is not None:
                raise trouble
            left = deadline - self._clock.monotonic()
            if left <= 0:
                return ()
            await self._holding.arrivals.wait(self._clock, left, seen=seen)

    async def ack(self, lease_ids: Sequence[str]) -> None:
        """See `Bus.ack`. Returns when Pub/Sub knows; a message may come again all the same."""
        held = self._let_go(lease_ids)
        try:
            await self._acking.ack([one.ack_id for one in held])
        except IngestError:
            self._hold_again(held)
            raise

    async def release(self, lease_ids: Sequence[str], *, delay_seconds: float = 0.0) -> None:
        """See `Bus.release`. A delay of more than `MAX_LEASE_SECONDS` is cut to that.

        The subscription's retry policy comes on top: at least ten seconds as we make it.
        """
        held = self._let_go(lease_ids)
        if held:
            self._delayed_until = max(self._delayed_until, self._clock.monotonic() + delay_seconds)
        await self._acking.keep_away([one.ack_id for one in held], delay_seconds)

    async def extend(self, lease_ids: Sequence[str]) -> None:
        """See `Bus.extend`. Nothing is extended that has been here for `LONGEST_HOLD_SECONDS`."""
        now = self._clock.monotonic()
        held = self._holding.live(lease_ids)
        await self._stream.extend([one for one in held if now - one.arrived < LONGEST_HOLD_SECONDS])

    async def dead_letter(self, lease_id: str, reason: str) -> None:
        """See `Bus.dead_letter`. Twice there, rather than lost, when we die between writing it and acking."""
        for held in self._let_go([lease_id]):
            death = Death(reason, held.delivery.attempt, self._clock.now_us())
            try:
                await self._dead.publish([encode(held.delivery.message, death)])
                await self._acking.ack([held.ack_id])
            except IngestError:
                self._hold_again([held])
                raise

    async def bury(self, message: Message, reason: str) -> None:
        """See `Bus.bury`. Takes what `publish` would refuse; of far too much only the beginning."""
        await self._dead.publish([encode(message, Death(reason, 0, self._clock.now_us()))])

    async def dead_letters(self, *, limit: int, after: str | None = None) -> Sequence[DeadLetter]:
        """See `Bus.dead_letters`, and `Listing` for what others see meanwhile.

        The first page takes `BusSettings.quiet_seconds`; the pages after it show what that one found.
        """
        self._check_open()
        if after is None:
            await self._listing.gather()
        start = (0, "") if after is None else order(after)
        return [letter for letter in self._listing.letters() if order(letter.id) > start][:limit]

    async def replay(self, dead_letter_ids: Sequence[str]) -> int:
        """See `Bus.replay`. Twice there, rather than lost, when we die in between."""
        wanted = sorted(set(dead_letter_ids), key=order)
        await self._listing.gather(until=lambda: all(self._listing.find(id_) for id_ in wanted))
        found = [letter for id_ in wanted if (letter := self._listing.find(id_)) is not None]
        for start in range(0, len(found), _REPLAYS_AT_ONCE):
            some = found[start : start + _REPLAYS_AT_ONCE]
            # Each for itself: one that is too large to be published stays where it is, and stops no other.
            outcomes = await asyncio.gather(*map(self._replay, some), return_exceptions=True)
            for outcome in outcomes:
                if outcome is not None:
                    raise outcome
        return len(found)

    async def backlog(self) -> Backlog:
        """See `Bus.backlog`. From Cloud Monitoring, minutes late; at the least it is what is held here."""
        live, dead = await asyncio.gather(
            self._counting.of(self._names.name), self._counting.of(self._names.name + DEAD)
        )
        held = self._holding.all()
        oldest = [one.delivery.published_us for one in held]
        if live is not None and live.oldest_us is not None:
            oldest.append(live.oldest_us)
        return Backlog(
            messages=max(len(held), live.messages if live else 0),
            bytes=max(self._holding.bytes, live.bytes if live else 0),
            oldest_us=min(oldest, default=None),
            dead_letters=max(len(self._listing), dead.messages if dead else 0),
        )

    async def is_drained(self) -> bool:
        """See `Bus.is_drained`. Nothing held, nothing put off, and nothing came for `quiet_seconds`."""
        self._check_open()
        self._stream.open()
        if (trouble := self._stream.trouble) is not None:
            raise trouble
        open_since = self._stream.open_since
        if open_since is None or len(self._holding):
            return False
        since = max(open_since, self._holding.last_arrival, self._delayed_until)
        return self._clock.monotonic() - since >= self._settings.quiet_seconds

    async def sweep(self, judge: Judge) -> Swept:
        """See `Bus.sweep`; and `shared.bus.pubsub.sweeping` for what it cannot see, and what it changes."""
        self._check_open()
        sweep = Sweep(judge, self._pull_directly, self._holding, self._acking, self._publishing, self._clock)
        swept = await sweep.run()
        return swept + await sweep_letters(judge, self._listing, self._dead)

    async def close(self) -> None:
        """See `Bus.close`. What nobody was given is given back, what was said is said; in bounded time."""
        self._is_closed = True
        self._holding.arrivals.notify()
        await self._stream.close()
        publishing = asyncio.gather(
            self._publishing.close(_CLOSING_SECONDS), self._dead.close(_CLOSING_SECONDS)
        )
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSING_SECONDS):
                await self._hand_back()
        await asyncio.gather(
            publishing, self._acking.close(_LAST_SECONDS), self._dead_acking.close(_LAST_SECONDS)
        )
        await self._counting.close()
        await self._clients.close()

    async def _replay(self, letter: DeadLetter) -> None:
        await self._publishing.publish([letter.message])
        await self._listing.forget([letter.id])

    async def _hand_back(self) -> None:
        with contextlib.suppress(IngestError):  # then the leases end by themselves
            await self._stream.give_back(self._holding.waiting())
        await self._listing.close()

    async def _pull_directly(self) -> Sequence[Any]:
        return await pull_waiting(
            self._subscriber,
            self._names.subscription,
            max_messages=_SWEEP_MESSAGES,
            seconds=self._settings.quiet_seconds,
        )

    async def _refresh(self, taken: Sequence[Held]) -> None:
        """Give a reader the lease it may count on, where much of it went by in the buffer."""
        least = self._clock.monotonic() + 0.75 * self._settings.lease_seconds
        short = [held for held in taken if held.expires < least]
        try:
            with contextlib.suppress(IngestError):
                await self._stream.extend(short)
        except asyncio.CancelledError:
            self._holding.put_back(taken)
            raise

    def _let_go(self, lease_ids: Sequence[str]) -> Sequence[Held]:
        held = self._holding.live(lease_ids)
        self._holding.drop([one.ack_id for one in held])
        self._stream.room_changed()
        return held

    def _hold_again(self, held: Sequence[Held]) -> None:
        for one in held:
            self._holding.restore(one)

    def _check_open(self) -> None:
        if self._is_closed:
            raise StorageError("the bus is closed")
