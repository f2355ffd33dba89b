"""What a purge needs beside its own room: everything to itself, and the places that the receiver fills."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from services.cli.live import READING_LEASE
from services.cli.pipeline import WRITER_LEASE
from services.cli.warehouses import duckdb_settings, open_configured, renew_copy
from services.cli.world import World, organization_id
from services.ingest.delivery import Delivery
from services.ingest.reading.events import Events
from services.ingest.reading.payload import OurTest, Senseless, read_payload
from services.ingest.receiver import spool
from services.purge.batches import Batches
from services.purge.keepout import OBJECT, KeepOutList
from services.purge.places import CrawlState, Found, Place, purge_warehouse
from services.purge.plan import Plan
from services.purge.subject import Subject
from shared.bus.port import Bus, Message
from shared.catalog.loader import Catalog, load_catalog
from shared.errors import BusyError, RecordError, StorageError
from shared.objects.lease import hold_lease
from shared.objects.port import Objects
from shared.record import Drift, Normalizer, Record
from shared.secrets import open_secrets
from shared.urls import path_of, scheme_of
from shared.warehouse import QueryableWarehouse, Warehouse
from shared.warehouse.duckdb.rewrite import rewrite

_NOT_OF_CRAWLS: Final = ("crawl.lease", "schema.json", "webhooks.json", "webhooks.lease", OBJECT)
_ENOUGH_BYTES: Final = 1 << 60


@asynccontextmanager
async def alone(world: World) -> AsyncIterator[QueryableWarehouse]:
    """The warehouse, while nobody crawls, reads deliveries or writes; `BusyError` when somebody does.

    What another process has in its memory could not be taken back from there. Services on remote stores
    hold no leases, so that they have to be stopped, or the records kept out, by whoever purges.
    """
    async with AsyncExitStack() as stack:
        try:
            for name, what in (
                (world.checkpoints.lease_name, "a crawl of this organization"),
                (READING_LEASE, "a receiver's reading of these stores"),
                (WRITER_LEASE, "a writer of this warehouse"),
            ):
                await stack.enter_async_context(hold_lease(world.objects, name, world.clock, what=what))
            warehouse = await open_configured(world.settings)
            stack.push_async_callback(warehouse.close)
        except BusyError as error:
            raise BusyError(
                f"{error.message}; nothing has been purged",
                advice="Stop `run`, `serve`, `writer` and `backfill`, purge, and start them again: what "
                "they hold in memory would be written after the purge.",
            ) from None
        yield warehouse
        await warehouse.close()
        await _leave_no_trace(world)


@dataclass(frozen=True)
class Purged:
    """What a purge did: rows that left the warehouse, what left every other place, and what is kept out."""

    plan: Plan
    rows: int
    elsewhere: Mapping[str, Found]
    kept_out: int


async def purge_everywhere(
    world: World, planner: Callable[[Warehouse], Awaitable[Plan]], *, keep_out: bool = False
) -> Purged:
    """Plan, and do it, while nobody else is at work. Raises what `alone` and the stores raise.

    What is to be kept out is so first of all, and the warehouse comes last: a purge that was cut off can be
    planned again, and nothing has come back meanwhile.
    """
    async with alone(world) as warehouse:
        plan = await planner(warehouse)
        kept_out = 0
        if keep_out:
            async with open_keep_out(world) as kept:
                kept_out = await kept.add(plan.subject.rows)
        taken = {place.name: await place.purge(plan.subject) for place in places(world)}
        rows = await purge_warehouse(warehouse, plan, load_catalog())
    return Purged(plan, rows, taken, kept_out)


async def _leave_no_trace(world: World) -> None:
    """Have the file of an embedded warehouse and its copy hold nothing but what is in the tables."""
    if scheme_of(world.settings.warehouse_url) != "duckdb":
        return
    try:
        await rewrite(path_of(world.settings.warehouse_url), duckdb_settings(world.settings))
        warehouse = await open_configured(world.settings)
        try:
            await renew_copy(warehouse)
        finally:
            await warehouse.close()
    except StorageError as error:
        raise StorageError(
            f"purged from all tables, but traces may be left in the files: {error.message}",
            advice=f"{error.advice} Then run the same purge again.".strip(),
        ) from error


@asynccontextmanager
async def open_keep_out(world: World) -> AsyncIterator[KeepOutList]:
    """The list of records that must not come back, open while the body runs."""
    secrets = await open_secrets("env:", world.settings.secrets_url)
    try:
        yield KeepOutList(world.objects, secrets, organization_id(world.settings), world.clock)
    finally:
        await secrets.close()


def places(world: World) -> Sequence[Place]:
    """Everything but the warehouse, in the order in which records come through."""
    told = _Told(load_catalog())
    return (
        _Spool(world, told),
        _Intake(world.intake, told),
        Batches(world.bus, world.codec, world.objects),
        CrawlState(world.objects, organization_id(world.settings), _NOT_OF_CRAWLS),
    )


class _Told:
    """Which record a delivery tells of."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._events = Events(catalog)

    def belongs(self, delivery: Delivery, subject: Subject) -> bool | None:
        """Whether the delivery belongs to the subject; None when nobody can read it."""
        if subject.everything:
            return True
        payload = read_payload(delivery.body)
        if isinstance(payload, OurTest):
            return False
        if isinstance(payload, Senseless):
            return subject.marked(delivery.body) or None
        event = self._events.event(delivery.event_id)
        table = self._events.table_of(payload.item_type) or (event.table if event else None)
        if table is None:
            return subject.marked(delivery.body) or None
        record = self._record(table, payload.resource) if payload.resource else None
        return subject.holds(table, payload.item_id, record.data if record else {})

    def _record(self, table: str, resource: object) -> Record | None:
        described = self._catalog[table]
        try:
            record = Normalizer(described, described.columns).normalize(resource, 0, Drift())
        except (RecursionError, ArithmeticError, ValueError):
            return None  # nested deeper, or longer, than can be written again; its id is known all the same
        return record if isinstance(record, Record) else None


class _Intake:
    """The deliveries of webhooks that wait on the bus, and those that led to nothing."""

    name = "the deliveries of webhooks"

    def __init__(self, intake: Bus, told: _Told) -> None:
        self._intake = intake
        self._told = told

    async def count(self, subject: Subject) -> Found:
        return await self._sweep(subject, drop=False)

    async def purge(self, subject: Subject) -> Found:
        return await self._sweep(subject, drop=True)

    async def _sweep(self, subject: Subject, *, drop: bool) -> Found:
        found = Found()

        async def judge(message: Message) -> Message | None:
            nonlocal found
            belongs = self._belongs(message, subject)
            found += Found(records=int(belongs is True), unreadable=int(belongs is None))
            return None if belongs and drop else message

        await self._intake.sweep(judge)
        return found

    def _belongs(self, message: Message, subject: Subject) -> bool | None:
        try:
            return self._told.belongs(Delivery.of(message), subject)
        except RecordError:
            return subject.marked(message.body) or None


class _Spool:
    """Deliveries that were accepted while the bus took none."""

    name = "the spool of deliveries"

    def __init__(self, world: World, told: _Told) -> None:
        self._objects: Objects = world.objects
        self._spool = spool.Spool(world.objects, world.clock, max_bytes=_ENOUGH_BYTES)
        self._told = told

    async def count(self, subject: Subject) -> Found:
        return await self._pass(subject, purge=False)

    async def purge(self, subject: Subject) -> Found:
        return await self._pass(subject, purge=True)

    async def _pass(self, subject: Subject, *, purge: bool) -> Found:
        found = Found()
        for name in await self._spool.names():
            try:
                deliveries = await self._spool.read(name)
            except spool.UnreadableError:
                found += await self._raw(name, subject, purge=purge)
                continue
            if deliveries is None:
                continue
            verdicts = [(delivery, self._told.belongs(delivery, subject)) for delivery in deliveries]
            gone = sum(verdict is True for _, verdict in verdicts)
            found += Found(gone, sum(verdict is None for _, verdict in verdicts))
            if gone and purge:
                await self._rewrite(name, [delivery for delivery, verdict in verdicts if not verdict])
        for name in await self._objects.list(spool.UNREADABLE_PREFIX):
            found += await self._raw(name, subject, purge=purge)
        return found

    async def _rewrite(self, name: str, kept: Sequence[Delivery]) -> None:
        for delivery in kept:
            self._spool.reserve(delivery)
        if kept:
            await self._spool.write(kept)
        await self._spool.remove(name)

    async def _raw(self, name: str, subject: Subject, *, purge: bool) -> Found:
        stored = await self._objects.read(name)
        if stored is None:
            return Found()
        if not subject.marked(stored.data):
            return Found(unreadable=1)
        if purge:
            await self._objects.delete(name)
        return Found(records=1)
