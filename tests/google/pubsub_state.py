"""What a stand-in for Pub/Sub keeps: topics, subscriptions, and what became of every message.

As Google documents the service; where it leaves room (order, duplicates) the stand-in is the plainest.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import Message as Pb
from google.pubsub_v1 import types

from shared.clock import Clock

ACK_ID_PADDING = "A" * 120  # as long as Google's are, about


@dataclass(eq=False)
class Entry:
    """One message of one subscription."""

    message: Any
    attempts: int = 0

    @property
    def size(self) -> int:
        return int(self.message.ByteSize())


@dataclass(eq=False)
class Lease:
    entry: Entry
    ends: float
    stream: StreamLimits | None


@dataclass(eq=False)
class StreamLimits:
    """What one StreamingPull may have outstanding, and has."""

    most_messages: int
    most_bytes: int
    deadline: int
    messages: int = 0
    bytes: int = 0

    @property
    def room(self) -> tuple[int, int]:
        messages = self.most_messages - self.messages if self.most_messages > 0 else 1 << 30
        size = self.most_bytes - self.bytes if self.most_bytes > 0 else 1 << 40
        return messages, size


class Subscribed:
    """One subscription: ready, leased, delayed and acked messages."""

    def __init__(self, state: PubsubState, config: Any) -> None:
        self.state = state
        self.config = config
        self.ready: deque[Entry] = deque()
        self.leases: dict[str, Lease] = {}
        self.delayed: list[tuple[float, Entry]] = []
        self.acks: Counter[str] = Counter()
        """How often each message was acked under a lease that held, by its id."""
        self.late_acks = 0
        self.changed = asyncio.Event()
        self._numbers = itertools.count(1)

    @property
    def unacked(self) -> list[Entry]:
        leased = [lease.entry for lease in self.leases.values()]
        return [*self.ready, *leased, *(entry for _, entry in self.delayed)]

    def add(self, message: Any) -> None:
        self.ready.append(Entry(message))
        self.changed.set()

    def lease(self, most: int, most_bytes: int, seconds: float, stream: StreamLimits | None) -> list[Any]:
        received: list[Any] = []
        size = 0
        while self.ready and len(received) < most and (size < most_bytes or not received):
            entry = self.ready.popleft()
            entry.attempts += 1
            size += entry.size
            ack_id = f"{entry.message.message_id}:{next(self._numbers)}:{ACK_ID_PADDING}"
            self.leases[ack_id] = Lease(entry, self.state.clock.monotonic() + seconds, stream)
            if stream is not None:
                stream.messages += 1
                stream.bytes += entry.size
            one = types.ReceivedMessage.pb()(ack_id=ack_id, message=entry.message)
            if self.config.HasField("dead_letter_policy"):
                one.delivery_attempt = entry.attempts
            received.append(one)
        return received

    def ack(self, ack_id: str) -> None:
        lease = self._end(ack_id)
        if lease is None:
            self.late_acks += 1
        else:
            self.acks[lease.entry.message.message_id] += 1

    def modify(self, ack_id: str, seconds: int) -> None:
        lease = self.leases.get(ack_id)
        if lease is None:
            return
        if seconds:
            lease.ends = self.state.clock.monotonic() + seconds
        else:
            self.give_back(ack_id)

    def give_back(self, ack_id: str) -> None:
        """A nack, or the end of a lease."""
        lease = self._end(ack_id)
        if lease is None:
            return
        entry, policy = lease.entry, self.config.dead_letter_policy
        if policy.dead_letter_topic and entry.attempts >= (policy.max_delivery_attempts or 5):
            self._forward(entry, policy.dead_letter_topic)
        elif pause := self._pause(entry):
            self.delayed.append((self.state.clock.monotonic() + pause, entry))
        else:
            self.ready.append(entry)
        self.changed.set()

    def tick(self) -> None:
        now = self.state.clock.monotonic()
        for ack_id in [ack_id for ack_id, lease in self.leases.items() if lease.ends <= now]:
            self.give_back(ack_id)
        due = [entry for at, entry in self.delayed if at <= now]
        if due:
            self.delayed = [(at, entry) for at, entry in self.delayed if at > now]
            self.ready.extend(due)
            self.changed.set()

    def _pause(self, entry: Entry) -> float:
        if not self.config.HasField("retry_policy"):
            return 0.0
        policy = self.config.retry_policy
        least = (
            policy.minimum_backoff.ToMilliseconds() / 1_000 if policy.HasField("minimum_backoff") else 10.0
        )
        most = (
            policy.maximum_backoff.ToMilliseconds() / 1_000 if policy.HasField("maximum_backoff") else 600.0
        )
        return float(min(most, least * 2 ** min(entry.attempts - 1, 20)))

    def _forward(self, entry: Entry, topic: str) -> None:
        message = types.PubsubMessage.pb()()
        message.CopyFrom(entry.message)
        prefix = "CloudPubSubDeadLetterSource"
        message.attributes[f"{prefix}Subscription"] = self.config.name.rpartition("/")[2]
        message.attributes[f"{prefix}DeliveryCount"] = str(entry.attempts)
        self.state.publish(topic, [message])

    def _end(self, ack_id: str) -> Lease | None:
        lease = self.leases.pop(ack_id, None)
        if lease is not None and lease.stream is not None:
            lease.stream.messages -= 1
            lease.stream.bytes -= lease.entry.size
            self.changed.set()
        return lease


@dataclass
class PubsubState:
    """Survives the server that shows it."""

    clock: Clock
    topics: dict[str, Any] = field(default_factory=dict)
    subscriptions: dict[str, Subscribed] = field(default_factory=dict)
    published: Counter[str] = field(default_factory=Counter)
    """How many messages each topic has ever got."""
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(10_000_000_001))

    def publish(self, topic: str, messages: list[Pb] | Any) -> list[str]:
        now_us = self.clock.now_us()
        ids = []
        for original in messages:
            message = types.PubsubMessage.pb()()
            message.CopyFrom(original)
            message.message_id = str(next(self._numbers))
            message.publish_time.FromMicroseconds(now_us)
            ids.append(message.message_id)
            for subscription in self.subscriptions.values():
                if subscription.config.topic == topic:
                    subscription.add(message)
        self.published[topic] += len(ids)
        return ids

    def tick(self) -> None:
        """Let end what has ended by now."""
        for subscription in self.subscriptions.values():
            subscription.tick()
