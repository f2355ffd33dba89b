"""What a bus on Pub/Sub holds: a model of it, and the bus's own account, stay the same."""

from __future__ import annotations

from typing import Any

from google.pubsub_v1 import types
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from shared.bus.pubsub.holding import Held, Holding, delivery_of
from shared.clock import ManualClock

LEASE = 60.0


def received(message_id: int, number: int) -> Any:
    message = types.PubsubMessage.pb()(data=b"x" * (message_id + 1), message_id=str(message_id))
    return types.ReceivedMessage.pb()(ack_id=f"{message_id}:{number}", message=message)


class HoldingMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.holding = Holding(self.clock, LEASE)
        self.number = 0
        self.waiting: list[str] = []
        self.given: list[str] = []
        self.ends: dict[str, float] = {}
        self.newest: dict[str, str] = {}
        self.dropped: list[Held] = []

    def newest_is_here(self, ack_id: str) -> bool:
        """Whether a later delivery of the same message is held."""
        newest = self.newest.get(ack_id.partition(":")[0])
        return newest != ack_id and newest in self.waiting + self.given

    def live(self, ack_id: str) -> bool:
        return self.ends[ack_id] > self.clock.monotonic()

    def size(self, ack_id: str) -> int:
        return int(ack_id.partition(":")[0]) + 1

    @rule(message_ids=st.lists(st.integers(0, 5), max_size=4))
    def receive(self, message_ids: list[int]) -> None:
        news = []
        for message_id in message_ids:
            self.number += 1
            news.append(received(message_id, self.number))
            replaced = self.newest.get(str(message_id))
            self.waiting = [one for one in self.waiting if one != replaced]
            self.waiting.append(news[-1].ack_id)
            self.newest[str(message_id)] = news[-1].ack_id
            self.ends[news[-1].ack_id] = self.clock.monotonic() + LEASE
        assert len(self.holding.receive(news, lease_seconds=LEASE)) == len(news)

    @rule(most=st.integers(1, 4), most_bytes=st.integers(1, 12))
    def take(self, most: int, most_bytes: int) -> None:
        taken = [held.ack_id for held in self.holding.take(max_messages=most, max_bytes=most_bytes)]
        expected: list[str] = []
        for ack_id in list(self.waiting):
            if not self.live(ack_id):
                self.waiting.remove(ack_id)
                continue
            total = sum(map(self.size, expected)) + self.size(ack_id)
            if len(expected) == most or (expected and total > most_bytes):
                break
            expected.append(ack_id)
        assert taken == expected
        self.waiting = [one for one in self.waiting if one not in expected]
        self.given += expected

    @rule(data=st.data())
    def let_go(self, data: st.DataObject) -> None:
        known = self.waiting + self.given
        chosen = data.draw(st.lists(st.sampled_from(known), unique=True)) if known else []
        held = self.holding.live([*chosen, "unknown"])
        assert [one.ack_id for one in held] == [ack_id for ack_id in chosen if self.live(ack_id)]
        self.holding.drop(chosen)
        self.dropped = held
        self.waiting = [one for one in self.waiting if one not in chosen]
        self.given = [one for one in self.given if one not in chosen]

    @rule()
    def take_back(self) -> None:
        for held in self.dropped:
            self.holding.restore(held)
            if not self.newest_is_here(held.ack_id):
                place = self.given if held.is_given else self.waiting
                place.append(held.ack_id)
                self.newest[held.delivery.message_id] = held.ack_id
        self.dropped = []

    @rule()
    def put_back(self) -> None:
        given = {held.ack_id: held for held in self.holding.all() if held.is_given}
        self.holding.put_back([given[ack_id] for ack_id in self.given])
        for ack_id in list(self.given):
            self.given.remove(ack_id)
            if not self.newest_is_here(ack_id):
                self.waiting.append(ack_id)
                self.newest[ack_id.partition(":")[0]] = ack_id

    @rule(seconds=st.floats(1, 70))
    def let_pass(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule()
    def drop_ended(self) -> None:
        ended = [one for one in self.waiting + self.given if not self.live(one)]
        assert self.holding.drop_ended() == len(ended)
        self.waiting = [one for one in self.waiting if one not in ended]
        self.given = [one for one in self.given if one not in ended]

    @rule(ago=st.floats(0, 30))
    def extend(self, ago: float) -> None:
        asked_at = self.clock.monotonic() - ago
        held = [one for one in self.waiting + self.given if self.live(one)]
        self.holding.extended([*self.waiting, *self.given], asked_at=asked_at)
        for ack_id in held:
            self.ends[ack_id] = asked_at + LEASE
        self.waiting = [one for one in self.waiting if one in held]
        self.given = [one for one in self.given if one in held]

    @invariant()
    def it_holds_what_it_should(self) -> None:
        held = [one.ack_id for one in self.holding.all()]
        assert sorted(held) == sorted(self.waiting + self.given)
        assert len(self.holding) == len(held)
        assert self.holding.bytes == sum(map(self.size, held))


TestHolding = HoldingMachine.TestCase
TestHolding.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_a_delivery_without_a_count_of_attempts_is_the_first() -> None:
    raw = received(3, 1)
    raw.message.publish_time.FromMicroseconds(1_700_000_000_123_456)
    delivery = delivery_of(raw)
    assert (delivery.attempt, delivery.published_us) == (1, 1_700_000_000_123_456)
    raw.delivery_attempt = 4
    assert delivery_of(raw).attempt == 4
