"""The memory of accepted deliveries."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.ingest.receiver.replays import Replays
from shared.clock import ManualClock


def test_what_was_accepted_is_known_until_it_is_too_old() -> None:
    clock = ManualClock()
    replays = Replays(clock, most=10, seconds=600)
    replays.remember((1, b"a"))
    assert (1, b"a") in replays
    assert (2, b"a") not in replays
    clock.advance(600)
    assert (1, b"a") in replays
    clock.advance(1)
    assert (1, b"a") not in replays


@given(st.lists(st.tuples(st.integers(0, 200), st.floats(0, 30)), max_size=200), st.integers(1, 20))
def test_the_memory_never_exceeds_its_bounds_and_keeps_the_newest(
    steps: list[tuple[int, float]], most: int
) -> None:
    clock = ManualClock()
    replays = Replays(clock, most=most, seconds=100)
    for number, seconds in steps:
        clock.advance(seconds)
        replays.remember((1, b"%d" % number))
        assert len(replays) <= most
    newest = list(dict.fromkeys(number for number, _ in reversed(steps)))[:1]
    assert all((1, b"%d" % number) in replays for number in newest)


def test_old_entries_go_although_the_memory_is_not_full() -> None:
    clock = ManualClock()
    replays = Replays(clock, most=1_000, seconds=10)
    for number in range(500):
        replays.remember((1, b"%d" % number))
    clock.advance(11)
    for number in range(500):
        replays.remember((2, b"%d" % number))
    assert len(replays) == 500
