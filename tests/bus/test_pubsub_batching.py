"""Requests made of what concurrent callers want."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.bus.pubsub.batching import Batcher
from shared.errors import RecordError, StorageError

MOST_ITEMS, MOST_WEIGHT, LANES, ROOM = 5, 100, 2, 250


class Sender:
    """Remembers each request, and refuses the items that are divisible by 7."""

    def __init__(self) -> None:
        self.requests: list[list[int]] = []
        self.under_way = 0
        self.most_under_way = 0
        self.open = asyncio.Event()
        self.open.set()

    async def __call__(self, items: Sequence[int]) -> Sequence[Exception | None]:
        self.requests.append(list(items))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await self.open.wait()
        await asyncio.sleep(0)
        self.under_way -= 1
        return [RecordError("seven") if item % 7 == 0 else None for item in items]


def batcher(sender: Sender) -> Batcher[int]:
    return Batcher(sender, most_items=MOST_ITEMS, most_weight=MOST_WEIGHT, lanes=LANES, room=ROOM)


@settings(max_examples=60)
@given(st.lists(st.lists(st.integers(1, 150), max_size=12), max_size=12))
def test_everything_is_sent_once_in_requests_within_the_bounds(callers: list[list[int]]) -> None:
    async def run() -> None:
        sender = Sender()
        sending = batcher(sender)

        async def submit(items: list[int]) -> bool:
            try:
                await sending.submit([(item, item) for item in items], room_seconds=5)
            except RecordError:
                return False
            return True

        outcomes = await asyncio.gather(*(submit(items) for items in callers))
        await sending.finish(5)
        for items, succeeded in zip(callers, outcomes, strict=True):
            assert succeeded == all(item % 7 for item in items)
        sent = sorted(item for request in sender.requests for item in request)
        wanted = [item for items, good in zip(callers, outcomes, strict=True) for item in items if good]
        # What comes after a refused item of the same caller need not be sent.
        assert set(wanted) <= set(sent)
        assert len(sent) <= sum(len(items) for items in callers)
        for request in sender.requests:
            assert len(request) <= MOST_ITEMS
            assert len(request) == 1 or sum(request) <= MOST_WEIGHT
        assert sender.most_under_way <= LANES

    asyncio.run(run())


async def test_what_comes_while_requests_are_under_way_goes_together() -> None:
    sender = Sender()
    sending = batcher(sender)
    sender.open.clear()
    waiting = [asyncio.create_task(sending.submit([(1, 30)], room_seconds=5)) for _ in range(2)]
    await asyncio.sleep(0.01)
    waiting += [asyncio.create_task(sending.submit([(number, 10)], room_seconds=5)) for number in (1, 2, 3)]
    await asyncio.sleep(0.01)
    sender.open.set()
    await asyncio.gather(*waiting)
    assert sender.requests == [[1, 1], [1, 2, 3]]


async def test_there_is_an_end_to_waiting_for_room() -> None:
    sender = Sender()
    sending = batcher(sender)
    sender.open.clear()
    first = asyncio.create_task(sending.submit([(1, 240)], room_seconds=5))
    await asyncio.sleep(0.01)
    with pytest.raises(TimeoutError):
        await sending.submit([(2, 20)], room_seconds=0.02)
    sender.open.set()
    await first
    await sending.submit([(3, 20)], room_seconds=0.02)


async def test_what_is_not_sent_in_time_at_the_end_is_told_so() -> None:
    sender = Sender()
    sending = batcher(sender)
    sender.open.clear()
    waiting = [asyncio.create_task(sending.submit([(1, 100)], room_seconds=5)) for _ in range(4)]
    await asyncio.sleep(0.01)
    await sending.finish(0.05)
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [StorageError] * 4
    with pytest.raises(StorageError):
        await sending.submit([(1, 1)], room_seconds=5)
