"""What Pub/Sub has delivered here and has not been told about yet: waiting for a reader, or given to one.

Leases are counted from before the request that begins or extends them, so that we never think a lease to
hold that Pub/Sub has ended, but for the time a delivery is on its way to us.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from shared.bus.limits import size_of
from shared.bus.port import Delivery, Message
from shared.bus.signal import Signal
from shared.clock import MICROSECONDS, Clock

LONGEST_HOLD_SECONDS = 3_600.0
"""After this a lease is extended no more: whoever works on a message for an hour does not work any more."""


@dataclass(slots=True)
class Held:
    """One delivery. Times are the clock's monotonic seconds; `is_given` once a reader has it."""

    delivery: Delivery
    size: int
    arrived: float
    expires: float
    is_given: bool = False

    @property
    def ack_id(self) -> str:
        """Pub/Sub's name for this delivery, and our lease's."""
        return self.delivery.lease_id


class Holding:
    """The deliveries of one subscription, by their ack ids. How many there are is bounded by flow control."""

    def __init__(self, clock: Clock, lease_seconds: float) -> None:
        self._clock = clock
        self._lease_seconds = lease_seconds
        self._waiting: dict[str, Held] = {}
        self._given: dict[str, Held] = {}
        self._by_message: dict[str, str] = {}
        self._bytes = 0
        self.arrivals = Signal()
        self.last_arrival = clock.monotonic()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._given)

    @property
    def bytes(self) -> int:
        """Of bodies and attributes, waiting and given."""
        return self._bytes

    def all(self) -> Sequence[Held]:
        """Everything, waiting first."""
        return [*self._waiting.values(), *self._given.values()]

    def waiting(self) -> Sequence[Held]:
        """What no reader has yet."""
        return list(self._waiting.values())

    def receive(self, received: Iterable[Any], *, lease_seconds: float) -> Sequence[Held]:
        """Take in `ReceivedMessage`s. One that waits here already is replaced: its old lease has ended."""
        now = self._clock.monotonic()
        news = []
        for one in received:
            delivery = delivery_of(one)
            if (old := self._by_message.get(delivery.message_id)) in self._waiting:
                self._forget(self._waiting.pop(old))
            held = Held(delivery, size_of(delivery.message), now, now + lease_seconds)
            self._waiting[held.ack_id] = held
            self._by_message[delivery.message_id] = held.ack_id
            self._bytes += held.size
            news.append(held)
        if news:
            self.last_arrival = now
            self.arrivals.notify()
        return news

    def take(self, *, max_messages: int, max_bytes: int) -> Sequence[Held]:
        """Give what waits to a reader, oldest arrivals first; more than `max_bytes` only for the first."""
        now = self._clock.monotonic()
        taken: list[Held] = []
        ended: list[str] = []
        total = 0
        for held in self._waiting.values():
            if held.expires <= now:
                ended.append(held.ack_id)
                continue
            if len(taken) == max_messages or (taken and total + held.size > max_bytes):
                break
            total += held.size
            taken.append(held)
        self.drop(ended)
        for held in taken:
            del self._waiting[held.ack_id]
            held.is_given = True
            self._given[held.ack_id] = held
        return taken

    def live(self, ack_ids: Iterable[str]) -> list[Held]:
        """Those of these leases that still hold; the others are forgotten."""
        now = self._clock.monotonic()
        found = []
        for ack_id in ack_ids:
            held = self._given.get(ack_id) or self._waiting.get(ack_id)
            if held is None:
                continue
            if held.expires <= now:
                self.drop([ack_id])
            else:
                found.append(held)
        return found

    def extended(self, ack_ids: Iterable[str], *, asked_at: float) -> None:
        """The leases were extended by a request made at `asked_at`."""
        for held in self.live(ack_ids):
            held.expires = asked_at + self._lease_seconds

    def restore(self, held: Held) -> None:
        """A delivery that was dropped turned out to be ours still, unless its message has come again."""
        if held.delivery.message_id not in self._by_message:
            place = self._given if held.is_given else self._waiting
            place[held.ack_id] = held
            self._by_message[held.delivery.message_id] = held.ack_id
            self._bytes += held.size

    def put_back(self, taken: Iterable[Held]) -> None:
        """Nobody got to see these: they wait again, for as long as their leases hold."""
        for held in taken:
            if self._given.pop(held.ack_id, None) is None:
                continue
            if self._by_message.setdefault(held.delivery.message_id, held.ack_id) == held.ack_id:
                held.is_given = False
                self._waiting[held.ack_id] = held
            else:
                self._forget(held)
        self.arrivals.notify()

    def drop(self, ack_ids: Iterable[str]) -> None:
        """These are no longer ours."""
        for ack_id in ack_ids:
            held = self._waiting.pop(ack_id, None) or self._given.pop(ack_id, None)
            if held is not None:
                self._forget(held)

    def drop_ended(self) -> int:
        """Forget the deliveries whose leases have ended; returns how many they were."""
        now = self._clock.monotonic()
        ended = [held.ack_id for held in self.all() if held.expires <= now]
        self.drop(ended)
        return len(ended)

    def _forget(self, held: Held) -> None:
        self._bytes -= held.size
        if self._by_message.get(held.delivery.message_id) == held.ack_id:
            del self._by_message[held.delivery.message_id]


def delivery_of(received: Any) -> Delivery:
    """A `ReceivedMessage` as the port has it; without a dead letter policy Pub/Sub counts no attempts."""
    raw = received.message
    return Delivery(
        message=Message(raw.data, dict(raw.attributes)),
        message_id=raw.message_id,
        lease_id=received.ack_id,
        attempt=received.delivery_attempt or 1,
        published_us=raw.publish_time.seconds * MICROSECONDS + raw.publish_time.nanos // 1_000,
    )
