"""Hints at one record become one reading, and no change slips through between two readings."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.ingest.reading.coalescing import CLOCK_MARGIN_US, Coalescer, Pending
from services.ingest.reading.hint import Hint

T0 = 1_790_000_000_000_000


def hint(id_: str = "1", at: int = T0, table: str = "tasks") -> Hint:
    return Hint(table, id_, at)


def test_a_burst_for_one_record_is_read_once_and_settled_together() -> None:
    coalescer = Coalescer()
    for number in range(5):
        coalescer.add(hint(at=T0 + number), f"lease-{number}")
    [pending] = coalescer.take("tasks", 200)
    assert pending.happened_us == T0 + 4
    assert coalescer.finish(pending, T0) == [f"lease-{number}" for number in range(5)]
    assert (coalescer.count, coalescer.tables()) == (0, [])


def test_a_hint_that_comes_while_its_record_is_read_leads_to_another_reading() -> None:
    coalescer = Coalescer()
    coalescer.add(hint(), "first")
    [pending] = coalescer.take("tasks", 200)
    coalescer.add(hint(at=T0 + 10), "second")
    assert coalescer.take("tasks", 200) == []
    assert coalescer.finish(pending, T0 + 10) == ["first"]
    [again] = coalescer.take("tasks", 200)
    assert again.lease_ids == ["second"]


def test_it_does_not_when_the_request_left_surely_after_the_event() -> None:
    coalescer = Coalescer()
    coalescer.add(hint(), "first")
    [pending] = coalescer.take("tasks", 200)
    coalescer.add(hint(at=T0 + 10), "covered")
    coalescer.add(hint(at=T0 + 11), "not covered")
    assert coalescer.finish(pending, T0 + 10 + CLOCK_MARGIN_US) == ["first", "covered"]
    [again] = coalescer.take("tasks", 200)
    assert again.lease_ids == ["not covered"]


def test_what_was_here_before_the_reading_is_settled_whatever_the_clocks_say() -> None:
    coalescer = Coalescer()
    coalescer.add(hint(at=T0 + 10**12), "from a clock far ahead")
    [pending] = coalescer.take("tasks", 200)
    assert coalescer.finish(pending, T0) == ["from a clock far ahead"]


def test_a_reading_that_came_to_nothing_keeps_what_came_meanwhile() -> None:
    coalescer = Coalescer()
    coalescer.add(hint(), "first")
    [pending] = coalescer.take("tasks", 200)
    coalescer.add(hint(), "second")
    assert coalescer.drop(pending) == ["first"]
    assert coalescer.lease_ids() == ["second"]


def test_what_is_put_back_is_read_together_with_what_came_meanwhile() -> None:
    coalescer = Coalescer()
    coalescer.add(hint(), "first")
    [pending] = coalescer.take("tasks", 200, alone=False)
    coalescer.add(hint(), "second")
    coalescer.put_back(pending, alone=True)
    assert coalescer.take("tasks", 200, alone=False) == []
    [again] = coalescer.take("tasks", 1, alone=True)
    assert again.lease_ids == ["first", "second"]


def test_the_oldest_are_taken_first_and_no_more_than_asked_for() -> None:
    coalescer = Coalescer()
    for number in range(5):
        coalescer.add(hint(str(number)), str(number))
    coalescer.add(hint("0", table="deals"), "other table")
    assert [one.id for one in coalescer.take("tasks", 3)] == ["0", "1", "2"]
    assert [one.id for one in coalescer.take("tasks", 3)] == ["3", "4"]
    assert coalescer.tables() == ["deals"]


def test_the_latest_are_shed_when_there_is_no_room_for_them() -> None:
    coalescer = Coalescer()
    for number in range(6):
        coalescer.add(hint(str(number % 3)), str(number))
    coalescer.add(hint(table="deals"), "other table")
    assert coalescer.shed("tasks", 4) == ["2", "5"]
    assert coalescer.shed("tasks", 4) == []
    assert (coalescer.count_of("tasks"), coalescer.count) == (4, 5)


class Readings(RuleBasedStateMachine):
    """A world with one clock: an event is shown by a reading that was sent after it."""

    def __init__(self) -> None:
        super().__init__()
        self.coalescer = Coalescer()
        self.now = T0
        self.events: dict[str, tuple[str, int]] = {}
        self.under_way: list[tuple[Pending, int | None]] = []
        self.held: set[str] = set()

    ids = st.sampled_from(["1", "2", "3"])

    @rule(id_=ids, late=st.integers(0, 3 * CLOCK_MARGIN_US))
    def happen(self, id_: str, late: int) -> None:
        """Something happened, and is told some time later."""
        lease_id = str(len(self.events))
        self.events[lease_id] = (id_, self.now)
        self.now += late + 1
        self.coalescer.add(hint(id_, self.events[lease_id][1]), lease_id)
        self.held.add(lease_id)

    @rule(most=st.integers(1, 3))
    def take(self, most: int) -> None:
        self.under_way += [(pending, None) for pending in self.coalescer.take("tasks", most)]

    @precondition(lambda self: self.under_way)
    @rule(wait=st.integers(0, 3 * CLOCK_MARGIN_US))
    def send(self, wait: int) -> None:
        """The limits let the oldest request go."""
        self.now += wait
        self.under_way = [(pending, sent or self.now) for pending, sent in self.under_way]

    @precondition(lambda self: any(sent for _, sent in self.under_way))
    @rule()
    def answer(self) -> None:
        index = next(i for i, (_, sent) in enumerate(self.under_way) if sent)
        pending, sent = self.under_way.pop(index)
        assert sent is not None
        for lease_id in self.coalescer.finish(pending, sent):
            id_, happened = self.events[lease_id]
            assert id_ == pending.id
            assert happened <= sent, "settled by a reading that cannot show it"
            self.held.remove(lease_id)

    @precondition(lambda self: self.under_way)
    @rule(alone=st.booleans())
    def put_back(self, alone: bool) -> None:
        pending, _ = self.under_way.pop()
        self.coalescer.put_back(pending, alone=alone)

    @rule(keep=st.integers(0, 5))
    def shed(self, keep: int) -> None:
        self.held -= set(self.coalescer.shed("tasks", keep))
        assert self.coalescer.count_of("tasks") <= keep

    @precondition(lambda self: self.under_way)
    @rule()
    def fail(self) -> None:
        pending, _ = self.under_way.pop()
        self.held -= set(self.coalescer.drop(pending))

    @invariant()
    def nothing_is_lost_or_counted_twice(self) -> None:
        assert sorted(self.coalescer.lease_ids()) == sorted(self.held)
        assert self.coalescer.count == len(self.held)
        under_way = sum(len(pending.waiting) for pending, _ in self.under_way)
        assert self.coalescer.count_of("tasks") == len(self.held) - under_way

    @invariant()
    def no_record_is_read_twice_at_once(self) -> None:
        ids = [pending.id for pending, _ in self.under_way]
        assert len(ids) == len(set(ids))


Readings.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestReadings = Readings.TestCase
