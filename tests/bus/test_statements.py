"""The file's steps against a model of a bus that is a dictionary."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from shared.bus.limits import MAX_LEASE_SECONDS
from shared.bus.port import Backlog, Message
from shared.bus.sqlite import statements
from shared.bus.sqlite.schema import open_file

SECOND = 1_000_000
LEASE = 60 * SECOND
MAX_BYTES = 100
START = 1_700_000_000 * SECOND


@dataclass
class Waiting:
    """A message of the model; it is ready when `until` has come, and `rank` is its place in the line."""

    size: int
    published: int
    rank: int
    until: int = 0
    leased: bool = False
    attempts: int = 0


@dataclass
class Model:
    now: int = START
    last_id: int = 0
    waiting: dict[int, Waiting] = field(default_factory=dict)
    dead: dict[int, tuple[int, str, int]] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        return sum(message.size for message in self.waiting.values())

    def lease(self, lease_id: str) -> Waiting | None:
        id_, attempt = map(int, lease_id.split("."))
        message = self.waiting.get(id_)
        if message and message.leased and message.attempts == attempt and message.until > self.now:
            return message
        return None

    def ready(self) -> list[int]:
        for message in self.waiting.values():
            if 0 < message.until <= self.now:
                message.rank, message.until, message.leased = message.until, 0, False
        ready = [id_ for id_, message in self.waiting.items() if message.until == 0]
        return sorted(ready, key=lambda id_: (self.waiting[id_].rank, id_))


class BusAgainstModel(RuleBasedStateMachine):
    leases = Bundle("leases")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.db = open_file(Path(self.folder.name) / "bus.db")
        self.db.execute("PRAGMA synchronous = OFF")
        self.model = Model()

    def teardown(self) -> None:
        self.db.close()
        self.folder.cleanup()

    @rule(size=st.integers(1, 120), count=st.integers(1, 3))
    def publish(self, size: int, count: int) -> None:
        message = statements.outgoing(Message(b"x" * size), size)
        fits = not self.model.waiting or self.model.bytes + size * count <= MAX_BYTES
        published = statements.insert(self.db, [message] * count, now_us=self.model.now, max_bytes=MAX_BYTES)
        assert published == fits
        if fits:
            self.add(size, count)

    @rule(target=leases, max_messages=st.integers(1, 4), max_bytes=st.integers(1, 150))
    def pull(self, max_messages: int, max_bytes: int) -> object:
        expected: list[int] = []
        total = 0
        for id_ in self.model.ready()[:max_messages]:
            total += self.model.waiting[id_].size
            if expected and total > max_bytes:
                break
            expected.append(id_)
        assert statements.is_any_available(self.db, now_us=self.model.now) == bool(expected)
        deliveries = statements.lease(
            self.db, now_us=self.model.now, lease_us=LEASE, max_messages=max_messages, max_bytes=max_bytes
        )
        assert [int(delivery.message_id) for delivery in deliveries] == expected
        for delivery in deliveries:
            message = self.model.waiting[int(delivery.message_id)]
            message.attempts += 1
            message.leased, message.until = True, self.model.now + LEASE
            assert delivery.attempt == message.attempts
            assert delivery.published_us == message.published
            assert len(delivery.message.body) == message.size
        return multiple(*(delivery.lease_id for delivery in deliveries))

    @rule(lease_id=leases)
    def ack(self, lease_id: str) -> None:
        if self.model.lease(lease_id):
            del self.model.waiting[int(lease_id.split(".", maxsplit=1)[0])]
        statements.ack(self.db, [lease_id], now_us=self.model.now)

    @rule(lease_id=leases, delay=st.sampled_from([0, SECOND, 120 * SECOND]))
    def release(self, lease_id: str, delay: int) -> None:
        if message := self.model.lease(lease_id):
            message.leased, message.rank = False, self.model.now + delay
            message.until = self.model.now + delay if delay else 0
        statements.release(self.db, [lease_id], now_us=self.model.now, delay_us=delay)

    @rule(lease_id=leases)
    def extend(self, lease_id: str) -> None:
        if message := self.model.lease(lease_id):
            message.until = self.model.now + LEASE
        statements.extend(self.db, [lease_id], now_us=self.model.now, lease_us=LEASE)

    @rule(lease_id=consumes(leases))
    def never_delivered(self, lease_id: str) -> None:
        if message := self.model.lease(lease_id):
            message.leased, message.until = False, 0
            message.attempts -= 1
            statements.undo_lease(self.db, [lease_id])

    @rule(lease_id=leases, reason=st.text(max_size=5))
    def set_aside(self, lease_id: str, reason: str) -> None:
        statements.set_aside(self.db, lease_id, reason=reason, now_us=self.model.now)
        if message := self.model.lease(lease_id):
            del self.model.waiting[int(lease_id.split(".", maxsplit=1)[0])]
            newest = self.db.execute("SELECT max(id) FROM dead_letters").fetchone()[0]
            assert newest > max(self.model.dead, default=0)
            self.model.dead[newest] = (message.size, reason, message.attempts)

    @rule(which=st.integers(0, 3))
    def replay(self, which: int) -> None:
        if which >= len(self.model.dead):
            assert statements.replay(self.db, 10**9, now_us=self.model.now, max_bytes=MAX_BYTES) is None
            return
        id_ = sorted(self.model.dead)[which]
        size = self.model.dead[id_][0]
        fits = not self.model.waiting or self.model.bytes + size <= MAX_BYTES
        assert statements.replay(self.db, id_, now_us=self.model.now, max_bytes=MAX_BYTES) == fits
        if fits:
            del self.model.dead[id_]
            self.add(size, 1)

    @rule(seconds=st.sampled_from([1, 30, 60, 61]))
    def time_passes(self, seconds: int) -> None:
        self.model.now += seconds * SECOND

    def add(self, size: int, count: int) -> None:
        newest = self.db.execute("SELECT max(id) FROM messages").fetchone()[0]
        assert newest == self.model.last_id + count, "an id was used again, or left out"
        self.model.last_id = newest
        for id_ in range(newest - count + 1, newest + 1):
            self.model.waiting[id_] = Waiting(size, self.model.now, self.model.now)

    @invariant()
    def the_backlog_is_that_of_the_model(self) -> None:
        oldest = self.model.waiting[min(self.model.waiting)].published if self.model.waiting else None
        assert statements.backlog(self.db) == Backlog(
            len(self.model.waiting), self.model.bytes, oldest, len(self.model.dead)
        )

    @invariant()
    def the_dead_letters_are_those_of_the_model(self) -> None:
        letters = statements.dead_letters(self.db, limit=1_000, after=0)
        assert {
            int(letter.id): (len(letter.message.body), letter.reason, letter.attempts) for letter in letters
        } == self.model.dead

    @invariant()
    def contents_are_kept_for_messages_only(self) -> None:
        ids = "SELECT id FROM {} ORDER BY id"
        assert (
            self.db.execute(ids.format("messages")).fetchall()
            == self.db.execute(ids.format("contents")).fetchall()
        )


TestBusAgainstModel = BusAgainstModel.TestCase
TestBusAgainstModel.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(open_file(tmp_path / "bus.db")) as connection:
        yield connection


def lease_all(db: sqlite3.Connection, now: int) -> list[str]:
    deliveries = statements.lease(db, now_us=now, lease_us=LEASE, max_messages=10, max_bytes=1_000)
    return [delivery.lease_id for delivery in deliveries]


def insert(db: sqlite3.Connection, body: bytes, now: int) -> None:
    message = statements.outgoing(Message(body), len(body))
    assert statements.insert(db, [message], now_us=now, max_bytes=1_000)


def test_a_clock_that_steps_back_hides_neither_new_nor_leased_messages(db: sqlite3.Connection) -> None:
    insert(db, b"leased", START)
    assert lease_all(db, START) == ["1.1"]
    insert(db, b"new", START)
    years_earlier = START - 10**14
    assert statements.is_any_available(db, now_us=years_earlier)
    assert sorted(lease_all(db, years_earlier)) == ["1.2", "2.1"]


def test_the_longest_lease_is_not_taken_for_one_of_another_time(db: sqlite3.Connection) -> None:
    insert(db, b"x", START)
    longest = round(MAX_LEASE_SECONDS * SECOND)
    assert statements.lease(db, now_us=START, lease_us=longest, max_messages=1, max_bytes=1)
    assert not statements.is_any_available(db, now_us=START)
    assert lease_all(db, START) == []
    assert lease_all(db, START + longest) == ["1.2"]


@pytest.mark.parametrize(
    "lease_id", ["", "1", "1.", ".1", "1.1.1", "-1.1", "1.x", "9" * 30 + ".1", "١.١", "1.1\n"]
)
def test_what_is_no_lease_id_is_a_lease_that_ended_long_ago(db: sqlite3.Connection, lease_id: str) -> None:
    insert(db, b"x", START)
    lease_all(db, START)
    statements.ack(db, [lease_id], now_us=START)
    statements.release(db, [lease_id], now_us=START, delay_us=0)
    statements.extend(db, [lease_id], now_us=START, lease_us=LEASE)
    statements.set_aside(db, lease_id, reason="", now_us=START)
    statements.undo_lease(db, [lease_id])
    assert statements.backlog(db).messages == 1
    assert lease_all(db, START) == []


def test_a_reason_is_kept_whatever_is_in_it_and_cut_when_very_long(db: sqlite3.Connection) -> None:
    for reason in ("a\0b", "half \ud800 a pair", "x" * 100_000):
        statements.bury(db, statements.outgoing(Message(b""), 0), reason=reason, now_us=START)
    reasons = [letter.reason for letter in statements.dead_letters(db, limit=10, after=0)]
    assert reasons == ["a\0b", "half ? a pair", "x" * 4_000]


def test_attributes_that_no_bus_would_take_are_buried_as_they_are(db: sqlite3.Connection) -> None:
    message = Message(b"x", {"half \ud800": "\udfff"})
    statements.bury(db, statements.outgoing(message, 1), reason="", now_us=START)
    [letter] = statements.dead_letters(db, limit=10, after=0)
    assert letter.message == message
    assert statements.replay(db, int(letter.id), now_us=START, max_bytes=1_000)
    assert len(lease_all(db, START)) == 1
