"""The bus: durable messages with leases, redelivery and dead letters.

At-least-once: a message may be delivered twice and in any order; readers must not mind.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """What is published: opaque bytes and a few short string attributes."""

    body: bytes
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery of a message, leased to whoever pulled it.

    `lease_id` names this delivery (not the message) in `ack`, `release`, `extend` and `dead_letter`;
    `message_id` stays the same over redeliveries. `attempt` counts deliveries from 1.
    `published_us` is wall-clock microseconds.
    """

    message: Message
    message_id: str
    lease_id: str
    attempt: int
    published_us: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that was set aside, with the reason; `died_us` is wall-clock microseconds."""

    id: str
    message: Message
    reason: str
    attempts: int
    died_us: int


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits on the bus: messages not yet acked (leased ones too), their bytes, and the dead letters.

    `oldest_us` is the publish time of the oldest message not yet acked, None when there is none.
    """

    messages: int
    bytes: int
    oldest_us: int | None
    dead_letters: int


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep changed: messages and dead letters together, by what became of them.

    `leased` says how many of these somebody had under a lease at that moment, and hence may still have.
    """

    dropped: int = 0
    replaced: int = 0
    leased: int = 0

    def __add__(self, other: Swept) -> Swept:
        return Swept(self.dropped + other.dropped, self.replaced + other.replaced, self.leased + other.leased)


Judge = Callable[[Message], Awaitable[Message | None]]
"""Says what shall become of a message: itself to keep it, another one to replace it, None to drop it."""


class Bus(Protocol):
    """Publish and subscribe. All calls may be made concurrently from one event loop; none blocks it.

    Every call raises `StorageError` when the store cannot be used and `UnreachableError` when it does
    not answer.
    """

    async def publish(self, messages: Sequence[Message]) -> None:
        """Return when all messages are durable; all of them or, on an error, possibly some.

        While the bus is full this waits; `BackpressureError` when it stays full past its deadline.
        """
        ...

    async def pull(self, *, max_messages: int, max_bytes: int, wait_seconds: float) -> Sequence[Delivery]:
        """Lease up to `max_messages`; more than `max_bytes` only if the first message alone is larger.

        Returns as soon as there is at least one message, or empty after `wait_seconds`.
        A lease that is neither acked nor extended in time ends, and the message is delivered again.
        """
        ...

    async def ack(self, lease_ids: Sequence[str]) -> None:
        """The messages are done with; a lease that has already ended is ignored."""
        ...

    async def release(self, lease_ids: Sequence[str], *, delay_seconds: float = 0.0) -> None:
        """Give messages back, to be delivered again after `delay_seconds`."""
        ...

    async def extend(self, lease_ids: Sequence[str]) -> None:
        """Start the leases' time anew; a lease that has already ended is ignored."""
        ...

    async def dead_letter(self, lease_id: str, reason: str) -> None:
        """Set a message aside with its reason, durably; it is not delivered again."""
        ...

    async def bury(self, message: Message, reason: str) -> None:
        """Write a dead letter of something that was never a message of its own (one record of a batch)."""
        ...

    async def dead_letters(self, *, limit: int, after: str | None = None) -> Sequence[DeadLetter]:
        """Dead letters in the order of their ids, those after the id `after`."""
        ...

    async def replay(self, dead_letter_ids: Sequence[str]) -> int:
        """Publish dead letters again as new messages and forget them; returns how many there were."""
        ...

    async def backlog(self) -> Backlog:
        """How much waits; may lag behind on remote buses."""
        ...

    async def is_drained(self) -> bool:
        """Whether nothing waits and nothing is leased, as far as this reader can tell.

        Exact where the store can tell. Elsewhere: this reader holds nothing and has been given nothing for
        a quiet while, whatever other readers may hold. To be asked again while it is False.
        """
        ...

    async def sweep(self, judge: Judge) -> Swept:
        """Show `judge` every message and dead letter there is, leased or not, and do as it says.

        What is dropped is gone for good, without a trace that the store could still show. A message that is
        replaced keeps its id, its place, its lease and its attempts. Whoever has a message under a lease
        keeps the copy that was pulled, and its ack still counts. What is published during the sweep may
        or may not be seen. When the judge raises, what was judged before stays done.
        """
        ...

    async def close(self) -> None:
        """Let go of files and connections; leases end by themselves."""
        ...
