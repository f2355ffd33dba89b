"""Blocking calls take so many threads and so much time, and no more."""

from __future__ import annotations

import asyncio
import threading

import pytest

from shared.google.threads import ClosedError, Threads


async def test_a_call_returns_and_raises_as_it_does() -> None:
    threads = Threads(2, "test")
    assert await threads.run(lambda: 17, 5) == 17
    with pytest.raises(ZeroDivisionError):
        await threads.run(lambda: 1 // 0, 5)
    await threads.close()


async def test_a_call_that_hangs_is_left_behind_and_its_thread_is_free_when_it_ends() -> None:
    threads, go = Threads(1, "test"), threading.Event()
    with pytest.raises(TimeoutError):
        await threads.run(go.wait, 0.01)
    with pytest.raises(TimeoutError):
        await threads.run(lambda: 17, 0.01)
    go.set()
    assert await threads.run(lambda: 17, 5) == 17
    await threads.close()


async def test_what_was_begun_goes_on_when_its_caller_is_cancelled() -> None:
    threads, begun, go, done = Threads(1, "test"), threading.Event(), threading.Event(), threading.Event()

    def call() -> None:
        begun.set()
        go.wait()
        done.set()

    caller = asyncio.create_task(threads.run(call, 5))
    await asyncio.to_thread(begun.wait)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    go.set()
    await threads.close()
    assert done.is_set()


async def test_closing_does_not_wait_for_ever_and_nothing_is_begun_after_it() -> None:
    threads, go = Threads(1, "test"), threading.Event()
    with pytest.raises(TimeoutError):
        await threads.run(go.wait, 0.01)
    await threads.close(seconds=0.01)
    go.set()
    await threads.close()
    with pytest.raises(ClosedError):
        await threads.run(lambda: 17, 5)


async def test_a_failure_that_nobody_waits_for_is_not_complained_about(
    caplog: pytest.LogCaptureFixture,
) -> None:
    threads, go = Threads(1, "test"), threading.Event()

    def fail() -> None:
        go.wait()
        raise OSError("too late")

    with pytest.raises(TimeoutError):
        await threads.run(fail, 0.01)
    go.set()
    await threads.close()
    assert caplog.records == []
