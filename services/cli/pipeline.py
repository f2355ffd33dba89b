"""The crawl and the writer in one process, where the bus is one of this machine."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeVar

from services.cli.warehouses import keep_copy, open_configured, renew_copy
from services.cli.world import World
from services.writer.environment import WriterObserver
from services.writer.service import Writer
from shared.bus.sqlite.adapter import SqliteBus
from shared.errors import BusyError, IngestError
from shared.objects.lease import hold_lease, is_held
from shared.warehouse import QueryableWarehouse, Warehouse

Result = TypeVar("Result")

WRITER_LEASE = "writer.lease"
_WATCH_SECONDS = 0.5
_PATIENCE_SECONDS = 120.0


@asynccontextmanager
async def open_writer(
    world: World, observer: WriterObserver
) -> AsyncIterator[tuple[Writer, QueryableWarehouse]]:
    """A writer and its warehouse, open while the body runs.

    Where a store is a file of this machine it is the only writer, with a lease that says so: `BusyError`
    when another one runs, or another program has the file open. On remote stores there may be several.
    """
    async with contextlib.AsyncExitStack() as stack:
        if world.one_writer:
            what = "a writer of this warehouse"
            await stack.enter_async_context(hold_lease(world.objects, WRITER_LEASE, world.clock, what=what))
        warehouse = await open_configured(world.settings)
        stack.push_async_callback(warehouse.close)
        if isinstance(world.bus, SqliteBus):
            # The lease says that no other reader lives: what a killed one had taken is free at once.
            await world.bus.end_leases()
        yield Writer(world.writer(warehouse, observer)), warehouse


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
            writer, warehouse = await stack.enter_async_context(open_writer(world, observer))
        except BusyError:
            if not await is_held(world.objects, WRITER_LEASE):
                raise
            async with copy() as copied:
                result = await work(copied)
            await _see_written(world, observer)
            return result
        return await _alongside(writer, warehouse, lambda: work(warehouse))


async def _alongside(writer: Writer, warehouse: Warehouse, work: Callable[[], Awaitable[Result]]) -> Result:
    async def work_then_drain() -> Result:
        try:
            return await work()
        finally:
            writer.drain()

    writing = asyncio.create_task(writer.run())
    working = asyncio.ensure_future(work_then_drain())
    copying = asyncio.create_task(keep_copy(warehouse))
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
    await renew_copy(warehouse)
    return result


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
    async with open_writer(world, observer) as (writer, warehouse):
        writer.drain()
        await writer.run()
        await renew_copy(warehouse)
