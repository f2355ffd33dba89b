"""Reads records again by their ids, as few requests for as many hints as possible.

A table has one reading under way: what comes meanwhile gathers, and is read together with one request. So
an idle table answers at once, and a burst costs a request for every 200 records. Where the endpoint lists
no records by id, and for those that a list left out, records are read one by one, several at a time.
When Productive's limits get scarce, readings begin at the pace that they allow for good, and more gathers for
each: a change waits a little longer, instead of all of them for the end of a window that is used up.

A failure leaves its table alone for a while and gives the deliveries back to the bus for as long; the
other tables go on. That holds for a refused token, too: the pauses are long, and once the token is mended
the next try succeeds.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Literal

from services.ingest.reading.answering import Answers
from services.ingest.reading.coalescing import Coalescer, Pending
from services.ingest.reading.environment import ReadingEnvironment
from services.ingest.reading.hint import Hint
from services.ingest.reading.learnings import Learnings
from services.ingest.reading.settling import Settler
from services.ingest.reading.strikes import Strikes
from services.ingest.reading.troubles import Troubles
from shared.errors import IngestError, ProtocolError, RecordError
from shared.productive import (
    MOST_AT_ONCE,
    Found,
    FoundMany,
    Gone,
    Unavailable,
    lists_by_id,
    read_many,
    read_one,
)
from shared.record import Record, Rejected
from shared.telemetry import tracing


class Rereading:
    """Takes hints, and settles their deliveries. `open` it before the first hint."""

    def __init__(self, env: ReadingEnvironment, settler: Settler, troubles: Troubles) -> None:
        self._env = env
        self._settler = settler
        self._troubles = troubles
        self._coalescer = Coalescer()
        self._learnings = Learnings()
        self._strikes = Strikes(env.limits.attempts)
        self._answers: dict[str, Answers] = {}
        self._group: asyncio.TaskGroup | None = None
        self._readings: set[asyncio.Task[None]] = set()
        self._wakings: set[asyncio.Task[None]] = set()
        self._gathering: set[str] = set()
        self._after_gathering: set[str] = set()
        self._resting: set[str] = set()
        self._turns: dict[str, int] = {}
        self._turn = 0
        self._closed = False
        self._next_at = float("-inf")
        self._is_paced = False
        self._room = asyncio.Event()
        self._room.set()

    def open(self, group: asyncio.TaskGroup) -> None:
        """Read within `group`."""
        self._group = group
        self._closed = False

    async def close(self) -> None:
        """Begin no more readings, wait a while for those under way, and cut off the rest."""
        self._closed = True
        for waking in self._wakings:
            waking.cancel()
        if self._readings:
            await asyncio.wait(self._readings, timeout=self._env.limits.stop)
        for reading in self._readings:
            reading.cancel()

    @property
    def waiting(self) -> int:
        """How many deliveries are held."""
        return self._coalescer.count

    @property
    def is_full(self) -> bool:
        """Whether no more should be held."""
        return self._coalescer.count >= self._env.limits.held

    def lease_ids(self) -> list[str]:
        """Of all deliveries that are held."""
        return self._coalescer.lease_ids()

    async def room(self, seconds: float) -> None:
        """Wait until it is not full, but no longer than `seconds`."""
        if self.is_full:
            self._room.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._room.wait()
            except TimeoutError:
                return

    def add(self, hint: Hint, lease_id: str, traceparent: str = "") -> bool:
        """Hold a delivery until its record was read and published; False when there is no room for it."""
        if self.is_full or self._coalescer.count_of(hint.table) >= self._bound(hint.table):
            return False
        self._coalescer.add(hint, lease_id, traceparent)
        return True

    def _bound(self, table: str) -> int:
        limits = self._env.limits
        share = max(1, int(limits.held * limits.held_share))
        return min(share, limits.held_resting) if table in self._resting else share

    def begin(self) -> None:
        """Begin to read whatever may be read now: each table in its turn, so that none starves the others."""
        tables = deque(sorted(self._coalescer.tables(), key=lambda table: self._turns.get(table, 0)))
        while tables and not self._closed and len(self._readings) < self._env.limits.concurrency:
            if self._is_early():
                break
            table = tables.popleft()
            if self._begin_one(table):
                self._turns[table] = self._turn = self._turn + 1
                self._next_at = self._env.clock.monotonic() + self._env.client.limiter.pace()
                tables.append(table)
        if not self.is_full:
            self._room.set()
        self._env.observer.waiting(self._coalescer.count)

    def _is_early(self) -> bool:
        """Whether the limits' pace forbids a reading now; then it is begun when it does not."""
        wait = self._next_at - self._env.clock.monotonic()
        if wait <= 0:
            return False
        if not self._is_paced:
            self._is_paced = True
            self._wake_in(wait, self._pace_over)
        return True

    def _pace_over(self) -> None:
        self._is_paced = False

    def _begin_one(self, table: str) -> bool:
        assert self._group is not None, "open it first"  # noqa: S101 -- a mistake in the code, not in the input
        if table in self._resting:
            return False
        pending, gathers = self._next_of(table)
        if not pending:
            return False
        if gathers:
            self._gathering.add(table)
            self._after_gathering.add(table)
        else:
            self._after_gathering.discard(table)
        reading = self._group.create_task(self._read(table, pending, gathers=gathers))
        self._readings.add(reading)
        return True

    def _next_of(self, table: str) -> tuple[list[Pending], bool]:
        """What to read next, and whether it is read together; the two kinds take turns."""
        if not lists_by_id(self._learnings.of(table)):
            return self._coalescer.take(table, 1), False
        kinds = (False, True) if table in self._after_gathering else (True, False)
        for gathers in kinds:
            if gathers and table in self._gathering:
                continue
            pending = self._coalescer.take(table, MOST_AT_ONCE if gathers else 1, alone=not gathers)
            if pending:
                return pending, gathers
        return [], False

    async def _read(self, table: str, pending: Sequence[Pending], *, gathers: bool) -> None:
        task = asyncio.current_task()
        unsettled = {one.id: one for one in pending}
        contexts = (waiting.traceparent for one in pending for waiting in one.waiting)
        attributes = {"productive.table": table, "messaging.destination.name": "intake"}
        try:
            with tracing.consumer("read again", contexts, attributes) as span:
                span.set({"productive.records": len(pending)})
                await self._ask(table, unsettled)
            self._troubles.end(table)
        except IngestError as error:
            await self._failed(table, unsettled, error)
        finally:
            if task is not None:
                self._readings.discard(task)
            if gathers:
                self._gathering.discard(table)
        self.begin()

    async def _ask(self, table: str, unsettled: dict[str, Pending]) -> None:
        """Ask, and settle everything that is answered; takes out of `unsettled` what needs no more care."""
        answers, clock = self._answers_of(table), self._env.clock
        learned, ids = self._learnings.of(table), list(unsettled)
        started = clock.monotonic()
        if len(ids) == 1:
            one, learned = await read_one(
                self._env.client, answers.table, ids[0], columns=answers.columns, learned=learned
            )
            known = {} if isinstance(one, Unavailable) else {ids[0]: one}
            refused = one if isinstance(one, Unavailable) else None
        else:
            many, learned = await read_many(
                self._env.client, answers.table, ids, columns=answers.columns, learned=learned
            )
            known = dict(many.found) if isinstance(many, FoundMany) else {}
            refused = many if isinstance(many, Unavailable) else None
        self._env.observer.read_took(clock.monotonic() - started)
        self._learnings.remember(table, learned)
        if refused is not None:
            for id_ in ids:
                await self._give_up(unsettled.pop(id_), f"{table}: {refused.reason}")
            return
        for id_ in ids:
            if id_ not in known:
                self._coalescer.put_back(unsettled.pop(id_), alone=True)
        await self._settle(table, answers, unsettled, known)

    async def _settle(
        self,
        table: str,
        answers: Answers,
        unsettled: dict[str, Pending],
        known: dict[str, Found | Gone],
    ) -> None:
        records = {id_: answers.record(unsettled[id_], answer) for id_, answer in known.items()}
        good = [record for record in records.values() if isinstance(record, Record)]
        await self._settler.publish({table: good})
        done: dict[Literal["upsert", "delete"], list[str]] = {"upsert": [], "delete": []}
        for id_, record in records.items():
            one = unsettled.pop(id_)
            self._strikes.good(table, id_)
            if isinstance(record, Rejected):
                await self._give_up(one, f"{table}: {record.reason}")
                continue
            done[record.op] += self._coalescer.finish(one, known[id_].observed_us)
        await self._settler.ack([*done["upsert"], *done["delete"]])
        self._settler.count("reread", table, len(done["upsert"]))
        self._settler.count("deleted", table, len(done["delete"]))

    async def _failed(self, table: str, unsettled: dict[str, Pending], error: IngestError) -> None:
        pause = self._troubles.add(table, error)
        self._rest(table, pause)
        together = len(unsettled) > 1
        given_back: list[str] = []
        for one in unsettled.values():
            if not isinstance(error, (ProtocolError, RecordError)):
                given_back += self._coalescer.drop(one)
            elif together:
                # It may be one of them that makes no sense: that one must not hold up the others.
                self._coalescer.put_back(one, alone=True)
            elif isinstance(error, RecordError) or self._strikes.is_out(table, one.id):
                await self._give_up(one, error.message)
                # What remains of it is in the dead letters.
                self._troubles.end(table)
            else:
                given_back += self._coalescer.drop(one)
        # What cannot be read now must not take the room of what can.
        given_back += self._coalescer.shed(table, self._bound(table))
        await self._settler.give_back(given_back, delay_seconds=pause)

    async def _give_up(self, pending: Pending, reason: str) -> None:
        lease_ids = self._coalescer.drop(pending)
        try:
            await self._settler.set_aside(pending.table, lease_ids, reason)
        except IngestError as error:
            self._troubles.add("intake", error)
            await self._settler.give_back(lease_ids)

    def _rest(self, table: str, seconds: float) -> None:
        """Begin no reading of the table for so long."""
        if table in self._resting or self._group is None:
            return
        self._resting.add(table)
        self._wake_in(seconds, lambda: self._resting.discard(table))

    def _wake_in(self, seconds: float, ready: Callable[[], None]) -> None:
        assert self._group is not None, "open it first"  # noqa: S101 -- a mistake in the code, not in the input
        waking = self._group.create_task(self._wake(seconds, ready))
        self._wakings.add(waking)
        waking.add_done_callback(self._wakings.discard)

    async def _wake(self, seconds: float, ready: Callable[[], None]) -> None:
        await self._env.clock.sleep(seconds)
        ready()
        self.begin()

    def _answers_of(self, table: str) -> Answers:
        if table not in self._answers:
            self._answers[table] = Answers(self._env.tables[table])
        return self._answers[table]
