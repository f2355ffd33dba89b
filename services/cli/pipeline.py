"""The crawl and the writer in one process, on the embedded stores."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeVar

from services.cli.reading import duckdb_settings
from services.cli.world import World
from services.writer.environment import WriterObserver
from services.writer.service import Writer
from shared.bus.sqlite.adapter import SqliteBus
from shared.errors import BusyError, IngestError, StorageError
from shared.objects.lease import hold_lease, is_held
from shared.warehouse import DuckdbWarehouse, Warehouse, open_warehouse

Result = TypeVar("Result")

log = logging.getLogger(__name__)

WRITER_LEASE = "writer.lease"
_SNAPSHOT_SECONDS = 0.1
_SNAPSHOT_RETRY_SECONDS = 5.0
_WATCH_SECONDS = 0.5
_PATIENCE_SECONDS = 120.0


@asynccontextmanager
async def embedded_writer(
    world: World, observer: WriterObserver
) -> AsyncIterator[tuple[Writer, DuckdbWarehouse]]:
    """The one writer of an embedded warehouse: its lease held and its file open while the body runs.

    `BusyError` when another writer runs, or another program has the file open.
    """
    async with hold_lease(world.objects, WRITER_LEASE, world.clock, what="a writer of this warehouse"):
        duckdb = duckdb_settings(world.settings)
        warehouse = await open_warehouse(world.settings.warehouse_url, duckdb=duckdb)
        try:
            if isinstance(world.bus, SqliteBus):
                # The lease says that no other reader lives: what a killed one had taken is free at once.
                await world.bus.end_leases()
            yield Writer(world.writer(warehouse, observer)), warehouse
        finally:
            await warehouse.close()


async def write_while(
    world: World, observer: WriterObserver, work: Callable[[], Awaitable[Result]]
) -> Result:
    """Do `work`, which publishes, and write what it publishes until nothing is left.

    Where another process already writes, leave it to that one and wait. Whatever was published before `work`
    failed is written as well.
    """
    return await read_and_write_while(world, observer, lambda _: work(), contextlib.nullcontext)


async def read_and_write_while(
    world: World,
    observer: WriterObserver,
    work: Callable[[Warehouse | None], Awaitable[Result]],
    copy: Callable[[], AbstractAsyncContextManager[Warehouse | None]],
) -> Result:
    """`write_while` for work that also reads the warehouse; where another process writes it, its `copy`."""
    async with contextlib.AsyncExitStack() as stack:
        try:
            writer, warehouse = await stack.enter_async_context(embedded_writer(world, observer))
        except BusyError:
            if not await is_held(world.objects, WRITER_LEASE):
                raise
            async with copy() as copied:
                result = await work(copied)
            await _see_written(world, observer)
            return result
        return await _alongside(writer, warehouse, lambda: work(warehouse))


async def _alongside(
    writer: Writer, warehouse: DuckdbWarehouse, work: Callable[[], Awaitable[Result]]
) -> Result:
    async def work_then_drain() -> Result:
        try:
            return await work()
        finally:
            writer.drain()

    writing = asyncio.create_task(writer.run())
    working = asyncio.ensure_future(work_then_drain())
    copying = asyncio.create_task(keep_snapshot(warehouse))
    try:
        await asyncio.wait([writing, working], return_when=asyncio.FIRST_COMPLETED)
        if writing.done() and not working.done():
            writing.result()
        await asyncio.wait([writing, working])
        writing.result()
        result = working.result()
    finally:
        for task in (working, writing, copying):
            if not task.done():
                task.cancel()
        await asyncio.gather(working, writing, copying, return_exceptions=True)
    await warehouse.refresh_snapshot(force=True)
    return result


async def keep_snapshot(warehouse: DuckdbWarehouse) -> None:
    """Keep the read-only copy fresh, until cancelled; how often it is really made is the adapter's matter.

    A copy that cannot be made is tried again later: what it is a copy of is safe.
    """
    while True:
        try:
            await warehouse.refresh_snapshot(force=not warehouse.snapshot_path.exists())
            pause = _SNAPSHOT_SECONDS
        except StorageError as error:
            log.warning("%s", error)
            pause = _SNAPSHOT_RETRY_SECONDS
        await asyncio.sleep(pause)


async def _see_written(world: World, observer: WriterObserver) -> None:
    """Return when the bus is empty: the running writer sees to that, and we do if it ends before.

    Gives up when nothing has moved for a while.
    """
    least, waited = None, 0.0
    while (backlog := await world.bus.backlog()).messages:
        if not await is_held(world.objects, WRITER_LEASE):
            with contextlib.suppress(BusyError):
                await _write_what_waits(world, observer)
        if least is None or backlog.messages < least:
            least, waited = backlog.messages, 0.0
        if waited >= _PATIENCE_SECONDS:
            raise IngestError(
                f"{backlog.messages:,} messages are published, but the running writer does not take them",
                advice="Look at the writer's process; nothing is lost, they wait on the bus.",
            )
        await asyncio.sleep(_WATCH_SECONDS)
        waited += _WATCH_SECONDS


async def _write_what_waits(world: World, observer: WriterObserver) -> None:
    async with embedded_writer(world, observer) as (writer, warehouse):
        writer.drain()
        await writer.run()
        await warehouse.refresh_snapshot(force=True)
