"""Someone who walks through a sandbox's tables and compares them with a warehouse, step by step."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.backfill.comparison import ComparisonRules, WarehouseComparison
from services.backfill.corrections import Corrections
from services.backfill.environment import ComparisonOutcome
from services.backfill.held import HeldStore
from services.backfill.seen import SeenIds
from services.sandbox import Sandbox, SandboxSettings
from shared.bus import Bus, open_bus
from shared.catalog import load_catalog
from shared.catalog.selection import SelectedTable, SelectionRules, select
from shared.clock import SystemClock
from shared.objects import Objects, open_objects
from shared.productive import (
    Connection,
    Found,
    Limiter,
    LimitPolicy,
    ListQuery,
    ProductiveClient,
    RetryPolicy,
    Unavailable,
    read_one,
    walk,
)
from shared.productive.jsonapi import identifier
from shared.record import Record, RecordBatch, Source, Version
from shared.record.codec import BatchCodec
from shared.record.publishing import PagePublisher
from shared.secrets import Secret
from shared.urls import url_of
from shared.warehouse import DuckdbWarehouse, Row, TableSchema, open_duckdb

HASTY = RetryPolicy(attempts=2, first_wait=0.001, longest_wait=0.01)


@dataclass(frozen=True)
class Walked:
    """A complete walk of a table."""

    table: SelectedTable
    run_id: str
    started_us: int
    seen: SeenIds


@dataclass
class Desk:
    """The sandbox, and the stores of an installation."""

    sandbox: Sandbox
    client: ProductiveClient
    bus: Bus
    objects: Objects
    warehouse: DuckdbWarehouse
    tables: dict[str, SelectedTable]
    clock: SystemClock = field(default_factory=SystemClock)
    rules: ComparisonRules = field(default_factory=ComparisonRules)
    runs: Any = field(default_factory=lambda: itertools.count(1))

    @property
    def codec(self) -> BatchCodec:
        return BatchCodec(self.objects, lambda: "claims/1")

    @property
    def organization_id(self) -> str:
        return self.sandbox.organization_id

    @property
    def held(self) -> HeldStore:
        return HeldStore(self.objects, self.organization_id)

    async def walk(
        self,
        name: str,
        *,
        unlisted: Collection[str] = (),
        during: Callable[[], object] = lambda: None,
        run_id: str = "",
    ) -> Walked:
        """Read the whole table as the crawl does, and write it.

        Records that are `unlisted` do not come; `during` happens once the list was read.
        """
        table = self.tables[name]
        run_id = run_id or f"run-{next(self.runs)}"
        seen = SeenIds(self.objects, f"organizations/{self.organization_id}/seen/{run_id}/{name}")
        publisher = PagePublisher(
            table,
            organization_id=self.organization_id,
            source=Source.BACKFILL,
            run_id=run_id,
            bus=self.bus,
            codec=self.codec,
        )
        started_us = self.client.server_clock.now_us()
        async for step in walk(self.client, ListQuery.of(table.table)):
            assert not isinstance(step, Unavailable)
            listed = [one for one in step.resources if one["id"] not in unlisted]
            await publisher.publish(listed, step.observed_us)
            await seen.add([id_ for one in listed if (id_ := identifier(one)) is not None])
        during()
        await self.write()
        return Walked(table, run_id, started_us, seen)

    async def compare(self, walked: Walked, *, write: bool = True) -> ComparisonOutcome:
        """What the crawl does after a complete walk."""
        comparison = WarehouseComparison(
            client=self.client,
            warehouse=self.warehouse,
            bus=self.bus,
            codec=self.codec,
            objects=self.objects,
            organization_id=self.organization_id,
            rules=self.rules,
        )
        outcome = await comparison.compare(walked.table, walked.seen, walked.run_id, walked.started_us)
        if write:
            await self.write()
        return outcome

    async def crawl(self, name: str, **options: Any) -> ComparisonOutcome:
        """A walk and its comparison."""
        return await self.compare(await self.walk(name, **options))

    async def write(self) -> None:
        """Write what is on the bus; as the writer does, but without waiting for more."""
        while deliveries := await self.bus.pull(max_messages=50, max_bytes=1 << 30, wait_seconds=0):
            for delivery in deliveries:
                batch = (await self.codec.decode(delivery.message)).batch
                schema = TableSchema(batch.table, self.tables[batch.table].typed_columns)
                await self.warehouse.ensure_table(schema)
                rows = [Row(record, batch.source, batch.run_id) for record in batch.records]
                assert not (await self.warehouse.write(schema, rows)).refused
            await self.bus.ack([delivery.lease_id for delivery in deliveries])

    async def tell(self, name: str, *records: Record) -> None:
        """Write what a webhook told."""
        batch = RecordBatch(name, self.organization_id, Source.WEBHOOK, "webhooks", list(records))
        await self.bus.publish(await self.codec.encode(batch))
        await self.write()

    async def tell_deleted(self, name: str, id_: str) -> None:
        """Write a deletion that happens now."""
        now_us = self.clock.now_us()
        await self.tell(name, Record(id_, "delete", Version(now_us, now_us)))

    async def reread(self, name: str, id_: str) -> None:
        """Write a record as a webhook's re-read does."""
        found, _ = await read_one(self.client, self.tables[name].table, id_)
        assert isinstance(found, Found)
        corrections = Corrections(self.bus, self.codec, self.organization_id, "webhooks")
        await corrections.upsert(self.tables[name], [found])
        await self.write()

    async def ids(self, name: str) -> set[str]:
        """The ids that the warehouse has."""
        return {id_ async for chunk in self.warehouse.ids(name) for id_ in chunk}

    async def values(self, name: str, column: str) -> dict[str, Any]:
        """One column by id."""
        answer = await self.warehouse.query(f'SELECT id, "{column}" FROM "{name}"', max_rows=100_000)
        return dict(answer.rows)

    def there(self, name: str) -> set[str]:
        """The ids that Productive has."""
        return set(self.sandbox.organization.ids(name))

    def requests(self, table: str) -> int:
        """How often a table was asked for since the log was forgotten."""
        return sum(request.table == table for request in self.sandbox.requests)


@asynccontextmanager
async def desk_in(
    folder: Path, names: Sequence[str], settings: SandboxSettings | None = None
) -> AsyncIterator[Desk]:
    """A small agency and an empty installation with these tables."""
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(Sandbox(settings or SandboxSettings(people=4)))
        clock = SystemClock()
        connection = Connection(sandbox.url, sandbox.organization_id, Secret(sandbox.token))
        limiter = Limiter(LimitPolicy().scaled(1 / 10_000), clock)
        client = await stack.enter_async_context(ProductiveClient(connection, limiter=limiter, retry=HASTY))
        objects = await open_objects(url_of("file", folder / "objects"))
        stack.push_async_callback(objects.close)
        bus = await open_bus(url_of("sqlite", folder / "bus.sqlite"), clock=clock)
        stack.push_async_callback(bus.close)
        warehouse = await open_duckdb(url_of("duckdb", folder / "warehouse.duckdb"))
        stack.push_async_callback(warehouse.close)
        tables = select(load_catalog(), SelectionRules(only=tuple(names)))
        yield Desk(sandbox, client, bus, objects, warehouse, dict(tables))
