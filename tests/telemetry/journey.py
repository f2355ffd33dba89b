"""Everything that an event passes, in one process: a receiver, a reading and a writer on real stores."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.ingest.receiver.environment import ReceiverEnvironment
from services.ingest.receiver.service import Receiver
from services.writer.environment import WriterEnvironment, WriterLimits, WriterTotals
from services.writer.metrics import WriterMetrics
from services.writer.schemas import Schemas
from services.writer.service import Writer
from shared.catalog import load_catalog
from shared.catalog.selection import SelectionRules
from shared.objects import open_objects
from shared.urls import url_of
from shared.warehouse import DuckdbWarehouse, open_duckdb
from tests.ingest.reading.bodies import body, event_of
from tests.ingest.reading.office import Office, office
from tests.ingest.receiver.world import Answer, Client, Tokens

UPDATED = event_of("tasks", "update")


@dataclass
class Journey:
    """One installation."""

    office: Office
    receiver: ReceiverEnvironment
    client: Client
    warehouse: DuckdbWarehouse
    metrics: WriterMetrics = field(default_factory=WriterMetrics)

    async def deliver(self, id_: str, *, whole: bool, **headers: str) -> Answer:
        """A signed webhook about a task as it is now."""
        resource = self.office.sandbox.organization.resource("tasks", id_) if whole else None
        content = body("task", id_, resource=resource, created_us=self.office.clock.now_us())
        more = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()
        head = self.client.head(content, event=str(UPDATED))
        return await self.client.send(head.removesuffix(b"\r\n") + more + b"\r\n" + content)

    async def read(self) -> None:
        """Have the deliveries read."""
        await self.office.drain()

    async def write(self) -> Writer:
        """Have what was read written."""
        writer = Writer(
            WriterEnvironment(
                bus=self.office.bus,
                warehouse=self.warehouse,
                codec=self.office.codec,
                schemas=Schemas(load_catalog(), self.office.tables, SelectionRules()),
                clock=self.office.clock,
                observer=WriterTotals(),
                limits=WriterLimits(linger_seconds=0.01, retry_seconds=0.0),
                metrics=self.metrics,
            )
        )
        writer.drain()
        await writer.run()
        return writer

    async def rows(self) -> set[Any]:
        """The ids of the tasks in the warehouse."""
        return {row[0] for row in (await self.warehouse.query("select id from tasks")).rows}

    def task_ids(self) -> list[str]:
        return list(self.office.sandbox.organization.ids("tasks"))


@asynccontextmanager
async def journey(folder: Path) -> AsyncIterator[Journey]:
    async with office(folder, SelectionRules(only=("tasks",))) as opened:
        objects = await open_objects(url_of("file", folder / "spool"))
        warehouse = await open_duckdb(url_of("duckdb", folder / "warehouse.duckdb"))
        tokens = Tokens()
        tokens.known = {UPDATED: tokens.known[1]}
        env = ReceiverEnvironment(
            intake=opened.intake, objects=objects, tokens=tokens, clock=opened.clock, port=0
        )
        receiver = Receiver(env)
        address = await receiver.start()
        try:
            yield Journey(opened, env, Client(address), warehouse)
        finally:
            await receiver.close()
            await warehouse.close()
            await objects.close()
