"""Natural batches: what callers want while requests are under way goes together into the next one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from shared.errors import StorageError

T = TypeVar("T")


class Ticket:
    """One caller's items: its future is done when all of them were sent, or one could not be."""

    __slots__ = ("_left", "future")

    def __init__(self, items: int) -> None:
        self._left = items
        self.future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def sent(self) -> None:
        """One item more was sent."""
        self._left -= 1
        if not self._left and not self.future.done():
            self.future.set_result(None)

    def failed(self, error: Exception) -> None:
        """An item could not be sent."""
        if not self.future.done():
            self.future.set_exception(error)
            self.future.exception()  # whoever has stopped waiting does not ask for it


class Batcher(Generic[T]):
    """Sends items in requests of at most `most_items` and `most_weight`, `lanes` of them at a time.

    A single item may weigh more. How much waits is bounded by `room`: whoever comes when there is none
    waits in line. `send` returns, per item, None or why that one was refused; when it raises, all failed.
    """

    def __init__(
        self,
        send: Callable[[Sequence[T]], Awaitable[Sequence[Exception | None]]],
        *,
        most_items: int,
        most_weight: int,
        lanes: int,
        room: int,
    ) -> None:
        self._send = send
        self._most_items = most_items
        self._most_weight = most_weight
        self._lanes = lanes
        self._room = room
        self._weight = 0
        self._queue: deque[tuple[T, int, Ticket]] = deque()
        self._sending: set[asyncio.Task[None]] = set()
        self._line = asyncio.Lock()
        self._freed = asyncio.Event()
        self._is_scheduled = False
        self._is_closed = False

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits and nothing is under way."""
        return not self._queue and not self._sending

    async def submit(self, items: Sequence[tuple[T, int]], *, room_seconds: float) -> None:
        """Return when all items (each with its weight) were sent.

        `TimeoutError` when there is no room for an item after waiting so long for it, `StorageError` when
        closed, and what sending raised.
        """
        if not items:
            return
        ticket = Ticket(len(items))
        try:
            if self._line.locked() or not self._has_room(sum(weight for _, weight in items)):
                await self._enter_in_line(items, ticket, room_seconds)
            else:
                self._enter(items, ticket)
            await ticket.future
        finally:
            ticket.future.cancel()

    async def finish(self, seconds: float) -> None:
        """Let what was submitted be sent for up to `seconds`, then give up on it; nothing more is taken."""
        self._is_closed = True
        try:
            async with asyncio.timeout(seconds):
                while not self.is_idle:
                    self._dispatch()
                    if self._sending:
                        await asyncio.wait(self._sending, return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            pass
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)
        while self._queue:
            self._queue.popleft()[2].failed(_closed())
        self._freed.set()

    async def _enter_in_line(self, items: Sequence[tuple[T, int]], ticket: Ticket, seconds: float) -> None:
        async with asyncio.timeout(seconds), self._line:
            for item in items:
                while not self._has_room(item[1]) and not self._is_closed:
                    self._freed.clear()
                    await self._freed.wait()
                self._enter([item], ticket)

    def _has_room(self, weight: int) -> bool:
        return not self._weight or self._weight + weight <= self._room

    def _enter(self, items: Sequence[tuple[T, int]], ticket: Ticket) -> None:
        if self._is_closed:
            raise _closed()
        for item, weight in items:
            self._queue.append((item, weight, ticket))
            self._weight += weight
        if not self._is_scheduled:
            # Not at once: others who are running in this turn of the loop may have something to add.
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._dispatch)

    def _dispatch(self) -> None:
        self._is_scheduled = False
        while self._queue and len(self._sending) < self._lanes:
            batch, weight = self._next_batch()
            if batch:
                task = asyncio.create_task(self._run(batch, weight))
                self._sending.add(task)
                task.add_done_callback(self._ended)

    def _next_batch(self) -> tuple[list[tuple[T, Ticket]], int]:
        batch: list[tuple[T, Ticket]] = []
        total = 0
        while self._queue and len(batch) < self._most_items:
            item, weight, ticket = self._queue[0]
            if batch and total + weight > self._most_weight:
                break
            self._queue.popleft()
            if ticket.future.done():  # nobody waits for it any more
                self._free(weight)
                continue
            batch.append((item, ticket))
            total += weight
        return batch, total

    async def _run(self, batch: Sequence[tuple[T, Ticket]], weight: int) -> None:
        try:
            refusals = await self._send([item for item, _ in batch])
        except asyncio.CancelledError:
            for _, ticket in batch:
                ticket.failed(_closed())
            raise
        except Exception as error:
            for _, ticket in batch:
                ticket.failed(error)
        else:
            for (_, ticket), refusal in zip(batch, refusals, strict=True):
                if refusal is None:
                    ticket.sent()
                else:
                    ticket.failed(refusal)
        finally:
            self._free(weight)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        self._dispatch()

    def _free(self, weight: int) -> None:
        self._weight -= weight
        self._freed.set()


def _closed() -> StorageError:
    return StorageError("the bus is closed")
