"""The live part of the demo: the make-believe agency works, and its changes appear in the warehouse."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections.abc import Sequence
from dataclasses import dataclass

from services.backfill.verify import VerifyEnvironment, verify
from services.cli.live import Live, live
from services.cli.output import Output
from services.cli.pipeline import open_writer
from services.cli.render.live import show_changes
from services.cli.supervision import Crew
from services.cli.warehouses import renew_copy
from services.cli.watch import Awaited, Watch
from services.cli.world import World
from services.ingest.webhooks.address import PublicAddress
from services.ingest.webhooks.events import all_events, choose
from services.ingest.webhooks.register import register
from services.sandbox import Change, Sandbox
from services.sandbox.load import Load, LoadEvent
from services.writer.environment import WriterTotals
from shared.catalog import load_catalog
from shared.productive import ProductiveClient
from shared.warehouse import Warehouse

_LOOK_SECONDS = 0.05
_PATIENCE_SECONDS = 15.0


@dataclass(frozen=True)
class LiveOutcome:
    """What the live part came to.

    Times are from a change to its row, `deliveries` counts those of webhooks, `requests` what it took to read
    records again. `compared` is how many tables
    were compared with the sandbox afterwards, `differing` are those that were not the same.
    """

    registered: int
    changes: int
    median_seconds: float
    p99_seconds: float
    longest_seconds: float
    not_seen: int
    deliveries: dict[str, int]
    requests: int
    compared: int
    differing: Sequence[str]


async def show_live(
    output: Output, world: World, client: ProductiveClient, sandbox: Sandbox, *, seconds: float, rate: float
) -> LiveOutcome:
    """Register webhooks with the sandbox, let its people work, and watch the rows change.

    At the end the tables that webhooks feed are compared with the sandbox's.
    """
    here = dataclasses.replace(world, settings=dataclasses.replace(world.settings, port=0))
    async with (
        open_writer(world, WriterTotals()) as (writer, warehouse),
        live(here, client) as service,
    ):
        registered = await _register(world, client, service)
        output.say(f"{registered} webhooks lead to {service.address}", style="bold")
        watch, crew = Watch(warehouse, world.clock), Crew()
        crew.start(writer.run(), writer.stop)
        service.join(crew)
        crew.start(_work_and_watch(output, sandbox, watch, seconds=seconds, rate=rate))
        before = client.stats.requests
        await crew.run(asyncio.Event())
        requests = client.stats.requests - before
        verdicts = await verify(_verification(world, client, warehouse))
        await renew_copy(warehouse)
    took = sorted(change.seconds for change in watch.changes if change.seconds is not None) or [0.0]
    return LiveOutcome(
        registered=registered,
        changes=len(watch.changes),
        median_seconds=round(took[len(took) // 2], 3),
        p99_seconds=round(took[len(took) * 99 // 100], 3),
        longest_seconds=round(took[-1], 3),
        not_seen=watch.missing,
        deliveries=service.counts(),
        requests=requests,
        compared=len(verdicts),
        differing=[verdict.table for verdict in verdicts if not verdict.right],
    )


async def _register(world: World, client: ProductiveClient, service: Live) -> int:
    events = choose(load_catalog(), world.tables)
    done = await register(world.webhooks(client, service.tokens), PublicAddress.parse(service.base), events)
    return len(done.events)


async def _work_and_watch(
    output: Output, sandbox: Sandbox, watch: Watch, *, seconds: float, rate: float
) -> None:
    """Let the agency work for so long, and return when every change has been seen, or none comes any more."""
    happened: dict[tuple[str, str], Change] = {}
    fed = {event.table for event in all_events(load_catalog())}

    def hear(change: Change) -> None:
        happened[change.table, change.id] = change

    def tell(event: LoadEvent) -> None:
        change = happened.pop((event.table, event.id), None)
        if change is not None and event.table in fed:
            watch.expect(Awaited(event.text, event.table, event.id, change.kind == "delete", change.at_us))

    sandbox.organization.subscribe(hear)
    load = Load(sandbox.organization)
    working = asyncio.create_task(load.run(rate, tell=tell))
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    try:
        with show_changes(output) as show:
            while loop.time() < end or (watch.missing and loop.time() < end + _PATIENCE_SECONDS):
                if loop.time() >= end:
                    load.stop()
                await watch.look()
                show(watch.changes)
                await asyncio.sleep(_LOOK_SECONDS)
            show(watch.changes)
    finally:
        load.stop()
        await working


def _verification(world: World, client: ProductiveClient, warehouse: Warehouse) -> VerifyEnvironment:
    return VerifyEnvironment(
        client=client,
        warehouse=warehouse,
        checkpoints=world.checkpoints,
        tables={name: chosen for name, chosen in world.tables.items() if chosen.table.events},
        rng=random.Random(1),  # noqa: S311 -- picks pages, keeps no secret
        sample=200,
    )
