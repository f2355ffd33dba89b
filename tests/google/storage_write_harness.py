"""An appender with Google's own client on a real connection to the server of these tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from google.cloud.bigquery_storage_v1.services.big_query_write import BigQueryWriteAsyncClient

from shared.catalog.model import ColumnType
from shared.clock import Clock, ManualClock
from shared.google.endpoints import STORAGE_WRITE, grpc_transport
from shared.record.model import Version
from shared.warehouse.bigquery.append_settings import AppendSettings
from shared.warehouse.bigquery.appending import Appender
from shared.warehouse.bigquery.changes import ChangeRow, sequence_of
from shared.warehouse.port import RefusedRow
from tests.google.storage_write_server import StorageWriteServer, Table, running_server

DEALS = "projects/agency-1/datasets/productive/tables/deals"
PEOPLE = "projects/agency-1/datasets/productive/tables/people"
COLUMNS = (
    ("id", ColumnType.STRING),
    ("name", ColumnType.STRING),
    ("amount", ColumnType.NUMERIC),
    ("position", ColumnType.INT64),
)


def upsert(id_: str, version: int = 1, **values: Any) -> ChangeRow:
    return ChangeRow("UPSERT", sequence_of(Version(version, version)), {"id": id_, **values})


def deletion(id_: str, version: int = 1) -> ChangeRow:
    return ChangeRow("DELETE", sequence_of(Version(version, version)), {"id": id_})


def many(count: int, version: int = 1, **values: Any) -> list[ChangeRow]:
    return [upsert(str(number), version, **values) for number in range(count)]


@dataclass
class Town:
    """A server with the tables `deals` and `people`, and an appender to write to them."""

    server: StorageWriteServer
    clock: Clock
    appender: Appender

    @property
    def deals(self) -> Table:
        return self.server.tables[DEALS]

    @property
    def people(self) -> Table:
        return self.server.tables[PEOPLE]

    @property
    def ids_sent(self) -> list[int]:
        """How many rows each request had."""
        return [len(seen.rows) for seen in self.server.seen]

    async def append(self, *rows: ChangeRow, table: str = DEALS) -> Sequence[RefusedRow]:
        return await self.appender.append(table, COLUMNS, rows)


def new_table(columns: Sequence[tuple[str, ColumnType]] = COLUMNS) -> Table:
    return Table({name: str(type_) for name, type_ in columns})


@asynccontextmanager
async def appender_at(
    address: str,
    clock: Clock,
    settings: AppendSettings = AppendSettings(),  # noqa: B008 -- immutable
) -> AsyncIterator[Appender]:
    """An appender that writes to a stand-in, until the body ends."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(STORAGE_WRITE.variable, address)
        transport = BigQueryWriteAsyncClient.get_transport_class("grpc_asyncio")
        client = BigQueryWriteAsyncClient(transport=grpc_transport(STORAGE_WRITE, transport))
    appender = Appender(client, clock=clock, settings=settings)
    before = asyncio.all_tasks()
    try:
        yield appender
        await appender.close()
        await _nothing_left(before)
    finally:
        await appender.close()
        await client.transport.close()


@asynccontextmanager
async def town(
    settings: AppendSettings = AppendSettings(),  # noqa: B008 -- immutable
    *,
    clock: Clock | None = None,
    tables: Mapping[str, Table] | None = None,
) -> AsyncIterator[Town]:
    """All of it, until the body ends; no task may be left behind then."""
    clock = clock or ManualClock()
    async with running_server() as (server, address):
        server.tables = {DEALS: new_table(), PEOPLE: new_table(), **(tables or {})}
        async with appender_at(address, clock, settings) as appender:
            yield Town(server, clock, appender)


async def _nothing_left(before: set[asyncio.Task[Any]]) -> None:
    """No task of a connection stays, neither ours nor those by which gRPC makes its call."""

    def of_a_connection(task: asyncio.Task[Any]) -> bool:
        name = getattr(task.get_coro(), "__qualname__", "")
        return "Connection" in name or "_consume_request_iterator" in name or "StreamCall" in name

    # gRPC's own end when their last write did.
    tasks = {task for task in asyncio.all_tasks() - before if of_a_connection(task)}
    assert not [task for task in tasks if "Connection" in repr(task.get_coro())]
    if tasks:
        _, pending = await asyncio.wait(tasks, timeout=10)
        assert not pending
