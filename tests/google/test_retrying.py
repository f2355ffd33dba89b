"""Calls are made again while that may help, and never without an end."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from google.api_core import exceptions
from hypothesis import given
from hypothesis import strategies as st

from shared.clock import ManualClock
from shared.google.retrying import Patience, retrying

TRANSIENT = [
    exceptions.ServiceUnavailable("no"),
    exceptions.TooManyRequests("slowly"),
    exceptions.ResourceExhausted("slowly"),
    TimeoutError(),
    ConnectionResetError(),
]


class Calls:
    """Fails in the given ways and then returns 17."""

    def __init__(self, failures: Sequence[Exception]) -> None:
        self._failures = list(failures)
        self.told: list[int] = []

    async def __call__(self, failures: int) -> int:
        self.told.append(failures)
        if self._failures:
            raise self._failures.pop(0)
        return 17


@given(st.lists(st.sampled_from(TRANSIENT), max_size=5))
async def test_a_call_knows_how_many_tries_failed_before(failures: list[Exception]) -> None:
    calls = Calls(failures)
    assert await retrying(calls, clock=ManualClock(), patience=Patience(total=1_000)) == 17
    assert calls.told == list(range(len(failures) + 1))


@given(st.lists(st.sampled_from(TRANSIENT), min_size=1, max_size=40), st.floats(0.1, 100))
async def test_neither_tries_nor_time_are_without_an_end(failures: list[Exception], total: float) -> None:
    clock, calls = ManualClock(), Calls([*failures, *TRANSIENT * 10])
    patience = Patience(attempts=7, total=total)
    with pytest.raises((exceptions.GoogleAPICallError, TimeoutError, ConnectionResetError)):
        await retrying(calls, clock=clock, patience=patience)
    assert len(calls.told) <= 7
    assert clock.monotonic() <= total


async def test_what_trying_again_does_not_mend_is_told_at_once() -> None:
    clock, calls = ManualClock(), Calls([exceptions.PermissionDenied("no")])
    with pytest.raises(exceptions.PermissionDenied):
        await retrying(calls, clock=clock)
    assert (calls.told, clock.slept) == ([0], [])


@given(st.integers(1, 1_000_000), st.sampled_from(TRANSIENT))
def test_pauses_are_bounded_and_a_second_longer_when_we_came_too_often(
    failures: int, error: Exception
) -> None:
    patience = Patience()
    often = isinstance(error, exceptions.TooManyRequests)
    pause = patience.pause(failures, error)
    assert pause <= patience.longest_pause + (patience.after_429 if often else 0)
    assert pause >= patience.first_pause / 2 + (patience.after_429 if often else 0)
