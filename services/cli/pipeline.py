"""The crawl and the writer in one process, on the embedded stores."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from services.cli.world import World
from services.writer.environment import WriterObserver
from services.writer.service import Writer
from shared.bus.sqlite.adapter import SqliteBus
from shared.errors import BusyError, IngestError
from shared.objects.lease import hold_lease
from shared.warehouse import DuckdbWarehouse, open_warehouse

Result = TypeVar("Result")

WRITER_LEASE = "writer.lease"
_SNAPSHOT_SECONDS = 5.0
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
        warehouse = await open_warehouse(world.settings.warehouse_url)
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

    Where another process already writes, wait for that one instead. Whatever was published before `work`
    failed is written as well.
    """
    async with contextlib.AsyncExitStack() as stack:
        try:
            writer, warehouse = await stack.enter_async_context(embedded_writer(world, observer))
        except BusyError:
            if not await writer_is_running(world):
                raise
            result = await work()
            await _wait_for_other_writer(world)
            return result
        return await _alongside(writer, warehouse, work)


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
    try:
        await asyncio.wait([writing, working], return_when=asyncio.FIRST_COMPLETED)
        if writing.done() and not working.done():
            writing.result()
        await asyncio.wait([writing, working])
        writing.result()
        result = working.result()
    finally:
        for task in (working, writing):
            if not task.done():
                task.cancel()
        await asyncio.gather(working, writing, return_exceptions=True)
    await warehouse.refresh_snapshot(force=True)
    return result


async def keep_snapshot(warehouse: DuckdbWarehouse) -> None:
    """Keep the read-only copy fresh, until cancelled; how often it is really made is the adapter's matter."""
    await warehouse.refresh_snapshot(force=True)
    while True:
        await asyncio.sleep(_SNAPSHOT_SECONDS)
        await warehouse.refresh_snapshot()


async def writer_is_running(world: World) -> bool:
    """Whether another living process holds the writer's lease."""
    try:
        async with hold_lease(world.objects, WRITER_LEASE, world.clock, what="a writer of this warehouse"):
            return False
    except BusyError:
        return True


async def _wait_for_other_writer(world: World) -> None:
    """Return when the bus is empty; give up when nothing has moved for a while."""
    least, waited = None, 0.0
    while (backlog := await world.bus.backlog()).messages:
        if least is None or backlog.messages < least:
            least, waited = backlog.messages, 0.0
        if waited >= _PATIENCE_SECONDS:
            raise IngestError(
                f"{backlog.messages:,} messages are published, but the running writer does not take them",
                advice="Look at the writer's process; nothing is lost, they wait on the bus.",
            )
        await asyncio.sleep(_WATCH_SECONDS)
        waited += _WATCH_SECONDS
