"""The reading's loop: takes deliveries from the intake bus and sees each of them through.

What can be published as it is goes out at once, together with deletions; what has to be read again waits
for that in `rereading`, beside the loop. So neither Productive's limits nor an hour of its being down
holds up what needs no question: of the deliveries that wait only so many are held, and those beyond are
given back to the bus for a while.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from services.ingest.delivery import Delivery
from services.ingest.reading.environment import ReadingEnvironment
from services.ingest.reading.hint import Hint
from services.ingest.reading.interpretation import Interpreter, Nonsense, Publish, Reread, Skip
from services.ingest.reading.rereading import Rereading
from services.ingest.reading.settling import Settler
from services.ingest.reading.troubles import Troubles
from shared.bus.port import Delivery as Leased
from shared.clock import MICROSECONDS
from shared.errors import IngestError, RecordError
from shared.record import Record
from shared.telemetry import tracing

_PARSED_AT_ONCE = 256 * 1024  # bytes, a few milliseconds: a receiver on the same event loop must not wait
_ROOM_SECONDS = 1.0  # how long a full house waits for room before it looks for what needs none


@dataclass(slots=True)
class _Sorted:
    """One pull's deliveries by what is to be done about them."""

    whole: list[tuple[Leased, Publish]] = field(default_factory=list)
    partial: list[tuple[Leased, Hint]] = field(default_factory=list)
    skipped: list[tuple[Leased, Skip]] = field(default_factory=list)
    senseless: list[tuple[Leased, str]] = field(default_factory=list)


class Reader:
    """Turns deliveries into records until it is stopped. One per process; several processes may run."""

    def __init__(self, env: ReadingEnvironment) -> None:
        self._env = env
        self._interpreter = Interpreter(env.catalog, env.tables)
        self._troubles = Troubles(first_pause=env.limits.first_pause, longest_pause=env.limits.longest_pause)
        self._settler = Settler(env, _run_id(env.clock.now_us()))
        self._rereading = Rereading(env, self._settler, self._troubles)
        self._at_hand: list[str] = []
        self._stopping = asyncio.Event()
        self._running = False
        self._draining = 0
        self._empty = asyncio.Event()
        self._last_progress = env.clock.monotonic()

    @property
    def last_progress(self) -> float:
        """When the loop last got round, on the clock's `monotonic`.

        It gets round about every second, also when there is nothing to do and when nothing works; only a
        full bus of records holds it up, by as long as a publish waits for room.
        """
        return self._last_progress

    def problem(self) -> str | None:
        """What does not work at the moment, as a sentence with advice; None when all is well.

        Deliveries are safe all the same, and are dealt with once it is mended.
        """
        return self._troubles.sentence()

    def stop(self) -> None:
        """Have `run` return: it finishes what is under way and gives back the rest."""
        self._stopping.set()

    async def run(self) -> None:
        """Run until `stop`. Troubles of stores and of Productive do not end it: see `problem`.

        When it is cancelled, deliveries are given back; when it is killed, their leases end.
        """
        self._running = True
        try:
            async with asyncio.TaskGroup() as group:
                extender = group.create_task(self._keep_leases())
                self._rereading.open(group)
                while not self._stopping.is_set():
                    await self._step()
                    self._last_progress = self._env.clock.monotonic()
                await self._rereading.close()
                extender.cancel()
        finally:
            self._running = False
            self._empty.set()
            await self._settler.give_back([*self._at_hand, *self._rereading.lease_ids()])

    async def drain(self) -> None:
        """Return once nothing waits on the intake bus any more; runs it for as long if it is not running.

        It waits as long as Productive does not answer: whoever cannot, sets a timeout. Raises the
        `OwnerError` when a person has to act first, such as `CredentialsError`.
        """
        self._draining += 1
        self._empty.clear()
        try:
            if self._running:
                await self._empty.wait()
            else:
                self._stopping.clear()
                async with asyncio.TaskGroup() as group:
                    group.create_task(self.run())
                    await self._empty.wait()
                    self.stop()
        finally:
            self._draining -= 1
        if (error := self._troubles.owners()) is not None:
            raise error

    async def _step(self) -> None:
        """Take some deliveries and see to them."""
        limits = self._env.limits
        await self._rereading.room(_ROOM_SECONDS)
        pause = 0.0
        try:
            deliveries = await self._env.intake.pull(
                max_messages=limits.pull_messages, max_bytes=limits.pull_bytes, wait_seconds=limits.idle
            )
            self._at_hand = [delivery.lease_id for delivery in deliveries]
            pause = await self._see_to(await self._sort(deliveries))
            if not deliveries and self._draining and await self._env.intake.is_drained():
                self._empty.set()
        except IngestError as error:
            pause = self._troubles.add("intake", error)
        else:
            self._troubles.end("intake")
        # Not when cancelled: then they are given back at once.
        self._at_hand = []
        if self._draining and self._troubles.owners() is not None:
            self._empty.set()
        await self._nap(pause)

    async def _nap(self, seconds: float) -> None:
        """Nothing can be done at all for the moment; still alive, and ready to stop."""
        clock = self._env.clock
        end = clock.monotonic() + seconds
        while not self._stopping.is_set() and (left := end - clock.monotonic()) > 0:
            await clock.sleep(min(left, self._env.limits.idle))
            self._last_progress = clock.monotonic()

    async def _sort(self, deliveries: Sequence[Leased]) -> _Sorted:
        result = _Sorted()
        parsed = 0
        for leased in deliveries:
            parsed += len(leased.message.body)
            if parsed > _PARSED_AT_ONCE:
                parsed = 0
                await asyncio.sleep(0)
            try:
                meant = self._interpreter.interpret(Delivery.of(leased.message))
            except RecordError as error:
                meant = Nonsense(error.message)
            match meant:
                case Publish():
                    result.whole.append((leased, meant))
                case Reread():
                    result.partial.append((leased, meant.hint))
                case Skip():
                    result.skipped.append((leased, meant))
                case Nonsense():
                    result.senseless.append((leased, meant.reason))
        return result

    async def _see_to(self, found: _Sorted) -> float:
        """Returns for how many seconds it is of no use to go on."""
        beyond = [
            leased
            for leased, hint in found.partial
            if not self._rereading.add(hint, leased.lease_id, _traceparent(leased))
        ]
        self._rereading.begin()
        await self._give_back_for_later(beyond)
        await self._settler.ack([leased.lease_id for leased, _ in found.skipped])
        for _, skip in found.skipped:
            self._settler.count("skipped", skip.table, 1)
        for leased, reason in found.senseless:
            await self._settler.set_aside("", [leased.lease_id], reason)
        if not found.whole:
            return 0.0
        contexts = (_traceparent(leased) for leased, _ in found.whole)
        attributes: tracing.Attributes = {
            "messaging.destination.name": "intake",
            "messaging.batch.message_count": len(found.whole),
        }
        with tracing.consumer("process intake", contexts, attributes) as span:
            pause = await self._publish(found.whole)
            if pause:
                span.fail("not_published")
            return pause

    async def _give_back_for_later(self, beyond: Sequence[Leased]) -> None:
        """What cannot be held now comes again, the later the more often it came."""
        limits = self._env.limits
        by_delay: dict[float, list[str]] = defaultdict(list)
        for leased in beyond:
            delay = limits.overflow_pause * 2.0 ** min(leased.attempt - 1, 60)
            by_delay[min(delay, limits.overflow_longest_pause)].append(leased.lease_id)
        for delay, lease_ids in by_delay.items():
            await self._settler.give_back(lease_ids, delay_seconds=delay)

    async def _publish(self, whole: Sequence[tuple[Leased, Publish]]) -> float:
        """Publish all of it, together if possible, and ack; returns as `_see_to` does."""
        lease_ids = [leased.lease_id for leased, _ in whole]
        records: dict[str, list[Record]] = defaultdict(list)
        for _, publish in whole:
            records[publish.table].append(publish.record)
        try:
            await self._settler.publish(records)
        except RecordError as error:
            if len(whole) == 1:
                await self._settler.set_aside(whole[0][1].table, lease_ids, error.message)
                return 0.0
            return max([await self._publish([one]) for one in whole])
        except IngestError as error:
            pause = self._troubles.add("publishing", error)
            await self._settler.give_back(lease_ids, delay_seconds=pause)
            return pause
        self._troubles.end("publishing")
        await self._settler.ack(lease_ids)
        for _, publish in whole:
            deleted = publish.record.op == "delete"
            self._settler.count("deleted" if deleted else "published", publish.table, 1)
        return 0.0

    async def _keep_leases(self) -> None:
        while True:
            await asyncio.sleep(self._env.limits.extend)
            held = [*self._at_hand, *self._rereading.lease_ids()]
            if held:
                # Where this fails, so does the loop's next look at the bus, and says why.
                with contextlib.suppress(IngestError):
                    await self._env.intake.extend(held)


def _traceparent(leased: Leased) -> str:
    return leased.message.attributes.get(tracing.TRACEPARENT, "")


def _run_id(now_us: int) -> str:
    """Marks the rows that this process brought, like the runs of the crawl."""
    moment = datetime.fromtimestamp(now_us / MICROSECONDS, UTC)
    return f"live-{moment:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
