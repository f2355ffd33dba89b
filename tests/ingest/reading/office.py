"""An agency in the sandbox, the two buses, and what the published records come to."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from services.ingest.delivery import Delivery
from services.ingest.reading import Outcome, Reader, ReadingEnvironment, ReadingLimits
from services.sandbox import Sandbox, SandboxSettings
from shared.bus import Bus, DeadLetter, Message, open_bus
from shared.bus.port import Backlog, Judge, Swept
from shared.bus.port import Delivery as Leased
from shared.catalog import load_catalog
from shared.catalog.selection import SelectionRules, select
from shared.clock import SystemClock
from shared.errors import StorageError
from shared.objects import open_objects
from shared.productive import Connection, Limiter, LimitPolicy, ProductiveClient, RetryPolicy
from shared.productive.jsonapi import parse
from shared.record import Drift, Normalizer, Record, RecordBatch
from shared.record.codec import BatchCodec
from shared.secrets.secret import Secret
from tests.ingest.reading.bodies import body, event_of

HASTY = RetryPolicy(attempts=2, first_contact_attempts=2, first_wait=0.001, longest_wait=0.002)
QUICK = ReadingLimits(
    first_pause=0.01,
    longest_pause=0.05,
    overflow_pause=0.01,
    overflow_longest_pause=0.05,
    idle=0.02,
    extend=5.0,
)
PATIENCE = 20.0


@dataclass
class Told:
    """What the observer was told."""

    settled: Counter[tuple[Outcome, str]] = field(default_factory=Counter)
    reads: int = 0
    most_waiting: int = 0
    two_waited: asyncio.Event = field(default_factory=asyncio.Event)

    def count(self, outcome: Outcome) -> int:
        return sum(count for (told, _), count in self.settled.items() if told == outcome)

    def settled_(self) -> dict[Outcome, int]:
        return {outcome: self.count(outcome) for outcome, _ in self.settled}


class Observer:
    def __init__(self, told: Told) -> None:
        self._told = told

    def settled(self, outcome: Outcome, table: str, count: int) -> None:
        self._told.settled[outcome, table] += count

    def read_took(self, seconds: float) -> None:
        assert seconds >= 0
        self._told.reads += 1

    def waiting(self, count: int) -> None:
        self._told.most_waiting = max(count, self._told.most_waiting)
        if count >= 2:
            self._told.two_waited.set()


class Line:
    """A process's line to a bus: when it is cut, as by a kill, nothing it says arrives any more."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.is_cut = False
        self.refuses = False

    def _through(self) -> Bus:
        if self.is_cut or self.refuses:
            raise StorageError("the disk is full", advice="Make room.")
        return self._bus

    async def publish(self, messages: Sequence[Message]) -> None:
        await self._through().publish(messages)

    async def pull(self, *, max_messages: int, max_bytes: int, wait_seconds: float) -> Sequence[Leased]:
        return await self._through().pull(
            max_messages=max_messages, max_bytes=max_bytes, wait_seconds=wait_seconds
        )

    async def ack(self, lease_ids: Sequence[str]) -> None:
        await self._through().ack(lease_ids)

    async def release(self, lease_ids: Sequence[str], *, delay_seconds: float = 0.0) -> None:
        await self._through().release(lease_ids, delay_seconds=delay_seconds)

    async def extend(self, lease_ids: Sequence[str]) -> None:
        await self._through().extend(lease_ids)

    async def dead_letter(self, lease_id: str, reason: str) -> None:
        await self._through().dead_letter(lease_id, reason)

    async def bury(self, message: Message, reason: str) -> None:
        await self._through().bury(message, reason)

    async def dead_letters(self, *, limit: int, after: str | None = None) -> Sequence[DeadLetter]:
        return await self._through().dead_letters(limit=limit, after=after)

    async def replay(self, dead_letter_ids: Sequence[str]) -> int:
        return await self._through().replay(dead_letter_ids)

    async def backlog(self) -> Backlog:
        return await self._through().backlog()

    async def is_drained(self) -> bool:
        return await self._through().is_drained()

    async def sweep(self, judge: Judge) -> Swept:
        return await self._through().sweep(judge)

    async def close(self) -> None:
        await self._through().close()


@dataclass
class Office:
    """One organization, one client, two buses, and any number of readers one after the other."""

    sandbox: Sandbox
    client: ProductiveClient
    intake: Bus
    bus: Bus
    codec: BatchCodec
    clock: SystemClock
    rules: SelectionRules
    told: Told = field(default_factory=Told)
    batches: list[RecordBatch] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tables = select(load_catalog(), self.rules)

    def reader(
        self,
        limits: ReadingLimits = QUICK,
        *,
        intake: Bus | None = None,
        bus: Bus | None = None,
        client: ProductiveClient | None = None,
    ) -> Reader:
        return Reader(
            ReadingEnvironment(
                client=client or self.client,
                intake=intake or self.intake,
                bus=bus or self.bus,
                codec=self.codec,
                catalog=load_catalog(),
                tables=self.tables,
                organization_id=self.sandbox.organization_id,
                clock=self.clock,
                observer=Observer(self.told),
                limits=limits,
            )
        )

    async def drain(self, reader: Reader | None = None) -> None:
        async with asyncio.timeout(PATIENCE):
            await (reader or self.reader()).drain()

    async def receive(self, event_id: int, content: bytes, *, received_us: int | None = None) -> None:
        """As the receiver does with what it has verified."""
        await self.intake.publish([Delivery(event_id, received_us or self.clock.now_us(), content).message()])

    async def tell(self, table: str, kind: str, id_: str, *, whole: bool = False) -> None:
        """A delivery about a record as it is now."""
        resource = self.sandbox.organization.resource(table, id_) if whole else None
        content = body(None, id_, resource=resource, created_us=self.clock.now_us())
        await self.receive(event_of(table, kind), content)

    async def published(self) -> list[RecordBatch]:
        """All batches that were ever published."""
        while leased := await self.bus.pull(max_messages=1_000, max_bytes=1 << 26, wait_seconds=0):
            for one in leased:
                self.batches.append((await self.codec.decode(one.message)).batch)
            await self.bus.ack([one.lease_id for one in leased])
        return self.batches

    async def rows(self, table: str) -> dict[str, Record]:
        """The newest version of every record of a table that was published, deletes among them."""
        newest: dict[str, Record] = {}
        for batch in await self.published():
            for record in batch.records if batch.table == table else ():
                if record.id not in newest or record.version > newest[record.id].version:
                    newest[record.id] = record
        return newest

    async def differences(self, table: str) -> list[str]:
        """Where what was published is not what the organization has, for all records it tells of."""
        found: list[str] = []
        there = set(self.sandbox.organization.ids(table))
        for id_, record in (await self.rows(table)).items():
            if id_ not in there:
                found += [] if record.op == "delete" else [f"{table} {id_}: still there"]
            elif record.op == "delete":
                found.append(f"{table} {id_}: deleted")
            else:
                found += self._columns_apart(table, record)
        return found

    def _columns_apart(self, table: str, record: Record) -> list[str]:
        truth = parse(json.dumps(self.sandbox.organization.resource(table, record.id)).encode())
        columns = [column for column in self.tables[table].columns if column.kind != "to_many_ids"]
        expected = Normalizer(self.tables[table].table, columns).normalize(truth, 0, Drift())
        assert isinstance(expected, Record)
        return [
            f"{table} {record.id}.{column.name}: {record.data.get(column.name)!r}"
            for column in columns
            if record.data.get(column.name) != expected.data.get(column.name)
        ]

    async def dead(self) -> list[str]:
        """The reasons of the deliveries that were set aside."""
        return [letter.reason for letter in await self.intake.dead_letters(limit=1_000)]

    async def waiting(self) -> int:
        return (await self.intake.backlog()).messages

    @asynccontextmanager
    async def running(self, reader: Reader) -> AsyncIterator[Reader]:
        task = asyncio.create_task(reader.run())
        try:
            yield reader
        finally:
            reader.stop()
            async with asyncio.timeout(PATIENCE):
                await task


@contextlib.asynccontextmanager
async def office(folder: Path, rules: SelectionRules | None = None) -> AsyncIterator[Office]:
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(Sandbox(SandboxSettings(people=2)))
        client = await stack.enter_async_context(open_client(sandbox))
        intake = await open_bus(f"sqlite:///{folder / 'intake.sqlite'}", clock=clock)
        stack.push_async_callback(intake.close)
        bus = await open_bus(f"sqlite:///{folder / 'bus.sqlite'}", clock=clock)
        stack.push_async_callback(bus.close)
        objects = await open_objects(f"file:///{folder / 'objects'}")
        stack.push_async_callback(objects.close)
        codec = BatchCodec(objects, lambda: f"claims/{uuid4().hex}")
        yield Office(sandbox, client, intake, bus, codec, clock, rules or SelectionRules())


def open_client(sandbox: Sandbox, *, token: str | None = None, url: str | None = None) -> ProductiveClient:
    clock = SystemClock()
    return ProductiveClient(
        Connection(url or sandbox.url, sandbox.organization_id, Secret(token or sandbox.token)),
        limiter=Limiter(LimitPolicy().scaled(1 / 10_000), clock),
        clock=clock,
        retry=HASTY,
    )
