"""Batches that form by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from services.ingest.receiver.gathering import Gathering


class Calls:
    """Notes each batch, and lets it go on one by one."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.turns = asyncio.Semaphore(0)
        self.started = asyncio.Semaphore(0)

    async def __call__(self, items: Sequence[str]) -> int:
        self.batches.append(list(items))
        self.started.release()
        await self.turns.acquire()
        if "bad" in items:
            raise ValueError("bad")
        return len(self.batches)


async def test_what_arrives_during_a_call_goes_together_into_the_next() -> None:
    calls = Calls()
    gathering = Gathering(calls, max_items=3, max_bytes=100)
    first = gathering.submit("a", 1)
    await calls.started.acquire()
    rest = [gathering.submit(item, 1) for item in "bcde"]
    for _ in range(3):
        calls.turns.release()
    assert await first == 1
    assert await asyncio.gather(*rest) == [2, 2, 2, 3]
    assert calls.batches == [["a"], ["b", "c", "d"], ["e"]]


async def test_a_batch_is_bounded_in_bytes_but_takes_one_large_item() -> None:
    calls = Calls()
    calls.turns = asyncio.Semaphore(10)
    gathering = Gathering(calls, max_items=10, max_bytes=100)
    await asyncio.gather(*(gathering.submit(item, size) for item, size in [("a", 500), ("b", 60), ("c", 60)]))
    assert calls.batches == [["a"], ["b"], ["c"]]


async def test_lanes_call_side_by_side() -> None:
    calls = Calls()
    gathering = Gathering(calls, max_items=1, max_bytes=100, lanes=2)
    submitted = [gathering.submit(item, 1) for item in "abc"]
    await calls.started.acquire()
    await calls.started.acquire()
    assert calls.batches == [["a"], ["b"]]
    for _ in range(3):
        calls.turns.release()
    await asyncio.gather(*submitted)


async def test_a_failure_is_that_of_its_batch_alone() -> None:
    calls = Calls()
    calls.turns = asyncio.Semaphore(10)
    gathering = Gathering(calls, max_items=1, max_bytes=100)
    bad, good = gathering.submit("bad", 1), gathering.submit("good", 1)
    assert await good == 2
    with pytest.raises(ValueError, match="bad"):
        await bad


async def test_settling_waits_for_what_can_end_and_ends_what_cannot() -> None:
    calls = Calls()
    gathering = Gathering(calls, max_items=1, max_bytes=100)
    calls.turns.release()
    done, hanging, waiting = (gathering.submit(item, 1) for item in "abc")
    assert await done == 1
    await gathering.settle(seconds=0.01)
    assert hanging.cancelled()
    assert waiting.cancelled()
    await gathering.settle(seconds=0.01)
