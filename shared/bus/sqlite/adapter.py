"""The bus's calls on an SQLite file: durable, shared by processes, bounded, with leases and dead letters."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TypeVar

from shared.bus.limits import BusSettings, checked_size
from shared.bus.port import Backlog, DeadLetter, Delivery, Judge, Message, Swept
from shared.bus.signal import Signal
from shared.bus.sqlite import statements, sweeping
from shared.bus.sqlite.committer import Committer, Durability, Step
from shared.bus.sqlite.statements import Outgoing
from shared.clock import MICROSECONDS, Clock
from shared.errors import BackpressureError, ConfigError

T = TypeVar("T")

_POLL_SECONDS = 0.1
"""How soon a message of another process, or an ended lease, is seen; this process's own are seen at once."""

_FIRST_BACKOFF_SECONDS = 0.02
_LONGEST_BACKOFF_SECONDS = 1.0
_CHUNK_BYTES = 16 * 1024 * 1024
_CHUNK_MESSAGES = 1_000
_REPLAYS_AT_ONCE = 64
_SCRUBS = 20
_SCRUB_PAUSE_SECONDS = 0.05


class SqliteBus:
    """See `shared.bus.port.Bus`. Several processes, and several of these in one, may share a file.

    A publish is on the disk when it returns. Leases, acks and releases survive the death of a process
    but not a loss of power, after which messages are delivered again, as they may be at any time.
    """

    def __init__(self, committer: Committer, *, clock: Clock, settings: BusSettings) -> None:
        self._committer = committer
        self._clock = clock
        self._settings = settings
        self._lease_us = round(settings.lease_seconds * MICROSECONDS)
        self._published = Signal()
        self._freed = Signal()
        self._line_for_room = asyncio.Lock()

    async def publish(self, messages: Sequence[Message]) -> None:
        """See `Bus.publish`. `RecordError`, before anything is published, for a message no bus would take.

        Few messages are published all or none; many go in pieces.
        """
        ready = [statements.outgoing(message, checked_size(message)) for message in messages]
        for chunk, size in _chunks(ready, max_bytes=min(_CHUNK_BYTES, self._settings.max_bytes)):
            await self._with_room(self._insertion(chunk), weight=size)

    async def pull(self, *, max_messages: int, max_bytes: int, wait_seconds: float) -> Sequence[Delivery]:
        """See `Bus.pull`."""
        if max_messages < 1:
            raise ConfigError(f"a pull of {max_messages} messages")
        deadline = self._clock.monotonic() + wait_seconds
        while True:
            seen = self._published.count
            # Looking does not take the lock that leasing takes, and most looks find nothing.
            if await self._read(lambda db: statements.is_any_available(db, now_us=self._clock.now_us())):
                deliveries = await self._lease(max_messages=max_messages, max_bytes=max_bytes)
                if deliveries:
                    return deliveries
            left = deadline - self._clock.monotonic()
            if left <= 0:
                return ()
            await self._published.wait(self._clock, min(left, _POLL_SECONDS), seen=seen)

    async def ack(self, lease_ids: Sequence[str]) -> None:
        """See `Bus.ack`."""
        await self._write(lambda db: statements.ack(db, lease_ids, now_us=self._clock.now_us()))
        self._freed.notify()

    async def release(self, lease_ids: Sequence[str], *, delay_seconds: float = 0.0) -> None:
        """See `Bus.release`. A delay of more than `MAX_LEASE_SECONDS` is cut to that."""
        delay_us = round(delay_seconds * MICROSECONDS)
        await self._write(
            lambda db: statements.release(db, lease_ids, now_us=self._clock.now_us(), delay_us=delay_us)
        )
        self._published.notify()

    async def extend(self, lease_ids: Sequence[str]) -> None:
        """See `Bus.extend`."""
        await self._write(
            lambda db: statements.extend(db, lease_ids, now_us=self._clock.now_us(), lease_us=self._lease_us)
        )

    async def end_leases(self) -> int:
        """Have everything that is leased delivered again now; returns how many messages that are.

        For a reader that knows itself to be the only one alive, at its start: whoever took those
        messages was killed, and their leases need not run out first.
        """
        ended = await self._write(statements.end_leases)
        self._published.notify()
        return ended

    async def dead_letter(self, lease_id: str, reason: str) -> None:
        """See `Bus.dead_letter`. A lease that has already ended is ignored; a very long reason is cut."""
        await self._committer.submit(
            lambda db: statements.set_aside(db, lease_id, reason=reason, now_us=self._clock.now_us()),
            Durability.DURABLE,
        )
        self._freed.notify()

    async def bury(self, message: Message, reason: str) -> None:
        """See `Bus.bury`. Takes what `publish` would refuse."""
        letter = statements.outgoing(message, len(message.body))
        await self._committer.submit(
            lambda db: statements.bury(db, letter, reason=reason, now_us=self._clock.now_us()),
            Durability.DURABLE,
            weight=letter.size,
        )

    async def dead_letters(self, *, limit: int, after: str | None = None) -> Sequence[DeadLetter]:
        """See `Bus.dead_letters`. `ConfigError` when `after` cannot be the id of a dead letter."""
        number = 0 if after is None else statements.parse_dead_letter_id(after)
        if number is None:
            raise ConfigError(f"not the id of a dead letter: {after!r}", advice="Ids are whole numbers.")
        return await self._read(lambda db: statements.dead_letters(db, limit=limit, after=number))

    async def replay(self, dead_letter_ids: Sequence[str]) -> int:
        """See `Bus.replay`. Waits for room as `publish` does; ids of no dead letter are left out."""
        numbers = [number for id_ in dead_letter_ids if (number := statements.parse_dead_letter_id(id_))]
        replayed = 0
        for start in range(0, len(numbers), _REPLAYS_AT_ONCE):
            some = numbers[start : start + _REPLAYS_AT_ONCE]
            replayed += sum(
                await asyncio.gather(
                    *(self._with_room(self._replaying(number), weight=_CHUNK_BYTES // 16) for number in some)
                )
            )
        return replayed

    async def backlog(self) -> Backlog:
        """See `Bus.backlog`. Exact, whichever process published."""
        return await self._read(statements.backlog)

    async def is_drained(self) -> bool:
        """See `Bus.is_drained`. Exact, whichever process published or holds a lease."""
        return await self._read(statements.is_empty)

    async def sweep(self, judge: Judge) -> Swept:
        """See `Bus.sweep`. Traces stay in the file while another process goes on reading an old state."""
        swept = Swept()
        try:
            for place in sweeping.PLACES:
                swept += await self._sweep_place(place, judge)
        finally:
            if swept.dropped or swept.replaced:
                self._freed.notify()
        await self._scrub()
        return swept

    async def _sweep_place(self, place: sweeping.Place, judge: Judge) -> Swept:
        swept, after = Swept(), 0
        while found := await self._read(partial(sweeping.read_after, place=place, after=after)):
            after = found[-1][0]
            changes = []
            for id_, message in found:
                judged = await judge(message)
                if judged is None:
                    changes.append(sweeping.Change(id_, None))
                elif judged != message:
                    outgoing = statements.outgoing(judged, checked_size(judged))
                    changes.append(sweeping.Change(id_, outgoing))
            if changes:
                now_us = self._clock.now_us()
                step = partial(sweeping.apply, place=place, changes=changes, now_us=now_us)
                swept += await self._committer.submit(step, Durability.DURABLE)
        return swept

    async def _scrub(self) -> None:
        for _ in range(_SCRUBS):
            if await self._read(sweeping.scrub):
                return
            await self._clock.sleep(_SCRUB_PAUSE_SECONDS)

    async def close(self) -> None:
        """See `Bus.close`. What is under way is finished; whoever still waits here gets a `StorageError`."""
        self._committer.stop()
        self._published.notify()
        self._freed.notify()
        await self._committer.ended()

    async def _read(self, step: Step[T]) -> T:
        return await self._committer.submit(step, Durability.READ)

    async def _write(self, step: Step[T]) -> T:
        return await self._committer.submit(step, Durability.RELAXED)

    def _insertion(self, chunk: Sequence[Outgoing]) -> Step[bool]:
        return lambda db: statements.insert(
            db, chunk, now_us=self._clock.now_us(), max_bytes=self._settings.max_bytes
        )

    def _replaying(self, number: int) -> Step[bool | None]:
        return lambda db: statements.replay(
            db, number, now_us=self._clock.now_us(), max_bytes=self._settings.max_bytes
        )

    async def _with_room(self, step: Step[bool] | Step[bool | None], *, weight: int) -> bool:
        """Run a step that adds messages, again and again while it answers False for want of room.

        Whoever finds the bus full stands in line behind those who did before.
        """
        deadline = self._clock.monotonic() + self._settings.publish_deadline_seconds
        backoff = _FIRST_BACKOFF_SECONDS

        async def attempt() -> bool | None:
            added = await self._committer.submit(step, Durability.DURABLE, weight=weight)
            if added:
                self._published.notify()
            return added

        if not self._line_for_room.locked() and (added := await attempt()) is not False:
            return bool(added)
        async with self._line_for_room:
            while True:
                seen = self._freed.count
                if (added := await attempt()) is not False:
                    return bool(added)
                left = deadline - self._clock.monotonic()
                if left <= 0:
                    raise BackpressureError(
                        f"the bus stayed full ({self._settings.max_bytes:,} bytes wait) "
                        f"for {self._settings.publish_deadline_seconds:g} s",
                        advice="Start the writer, or look at why it does not keep up; what waits is safe.",
                    )
                await self._freed.wait(self._clock, min(left, backoff), seen=seen)
                backoff = min(2 * backoff, _LONGEST_BACKOFF_SECONDS)

    async def _lease(self, *, max_messages: int, max_bytes: int) -> Sequence[Delivery]:
        taken: list[Delivery] = []

        def take(db: sqlite3.Connection) -> list[Delivery]:
            taken[:] = statements.lease(
                db,
                now_us=self._clock.now_us(),
                lease_us=self._lease_us,
                max_messages=max_messages,
                max_bytes=max_bytes,
            )
            return taken

        try:
            return await self._write(take)
        except asyncio.CancelledError:
            # Nobody will see these deliveries: give them back rather than let their leases run out.
            # Calls run in the order they were submitted, so `taken` is known by then.
            if not self._committer.is_stopped:
                undoing = self._committer.submit(
                    lambda db: statements.undo_lease(db, [delivery.lease_id for delivery in taken]),
                    Durability.RELAXED,
                )
                undoing.add_done_callback(_look_away)
            raise


def _look_away(done: asyncio.Future[None]) -> None:
    """Take note of a failure that is of no consequence, so that asyncio does not complain of it."""
    if not done.cancelled():
        done.exception()


def _chunks(messages: Sequence[Outgoing], *, max_bytes: int) -> Iterator[tuple[list[Outgoing], int]]:
    """The messages in order, as many at a time as fit into one transaction, and their bytes."""
    chunk: list[Outgoing] = []
    size = 0
    for message in messages:
        if chunk and (size + message.size > max_bytes or len(chunk) >= _CHUNK_MESSAGES):
            yield chunk, size
            chunk, size = [], 0
        chunk.append(message)
        size += message.size
    if chunk:
        yield chunk, size
