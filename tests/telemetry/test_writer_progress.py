"""A writer is alive while it gets on, not while a thread exists."""

from __future__ import annotations

import pytest

from services.writer.progress import PATIENCE_SECONDS, Progress
from shared.clock import ManualClock

LONG = PATIENCE_SECONDS + 1


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def progress(clock: ManualClock) -> Progress:
    return Progress(clock)


def idle(progress: Progress, clock: ManualClock, seconds: float) -> None:
    for _ in range(int(seconds // 60) + 1):
        clock.advance(60)
        progress.came_round()


def test_a_writer_with_nothing_to_do_is_alive_for_as_long_as_it_looks(
    progress: Progress, clock: ManualClock
) -> None:
    idle(progress, clock, 10 * LONG)
    assert progress.is_alive
    assert progress.oldest_held_seconds == 0


def test_a_loop_that_stands_still_is_not_alive(progress: Progress, clock: ManualClock) -> None:
    clock.advance(LONG)
    assert not progress.is_alive


def test_a_write_that_hangs_is_seen_by_the_age_of_what_it_holds_and_then_it_is_not_alive(
    progress: Progress, clock: ManualClock
) -> None:
    progress.took()
    progress.began()
    clock.advance(PATIENCE_SECONDS)
    assert progress.is_alive
    assert progress.oldest_held_seconds == PATIENCE_SECONDS
    clock.advance(1)
    assert not progress.is_alive


def test_every_confirmation_starts_its_time_anew(progress: Progress, clock: ManualClock) -> None:
    for _ in range(10):
        progress.took()
        progress.began()
        progress.took()
        clock.advance(PATIENCE_SECONDS - 1)
        progress.came_round()
        progress.confirmed()
        progress.ended()
    assert progress.is_alive


def test_who_takes_and_gives_back_for_long_without_writing_anything_is_not_alive(
    progress: Progress, clock: ManualClock
) -> None:
    for _ in range(200):
        progress.came_round()
        progress.took()
        progress.began()
        clock.advance(5)
        progress.ended()
    assert not progress.is_alive


def test_who_gave_back_what_others_have_written_since_is_alive(
    progress: Progress, clock: ManualClock
) -> None:
    progress.took()
    progress.began()
    clock.advance(30)
    progress.ended()
    idle(progress, clock, 3 * LONG)
    assert progress.is_alive


def test_a_message_that_is_set_aside_is_a_confirmation_too(progress: Progress, clock: ManualClock) -> None:
    progress.took()
    clock.advance(PATIENCE_SECONDS)
    progress.confirmed()
    clock.advance(1)
    progress.came_round()
    assert progress.is_alive
