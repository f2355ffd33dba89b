"""`productive-ingest status`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import click
import msgspec

from services.backfill.checkpoint import CheckpointStore, TableCheckpoint
from services.backfill.held import HeldStore
from services.backfill.summary import summarize_table
from services.cli.options import Invocation, common_options, run_async
from services.cli.reading import open_for_reading
from services.cli.render.progress import describe
from services.cli.world import World, open_world
from shared.bus import Backlog
from shared.clock import MICROSECONDS
from shared.errors import BusyError, StorageError
from shared.warehouse import TableState


@click.command(epilog="Example: productive-ingest status --json")
@common_options
@run_async
async def status(invocation: Invocation) -> None:
    """What is in the warehouse, what waits, and what the last crawl met."""
    output = invocation.output
    async with open_world(invocation.settings) as world:
        states = await _states(invocation, world)
        organization = await _organization(world)
        store = CheckpointStore(world.objects, organization) if organization else None
        checkpoints = await _checkpoints(world, store)
        run = await store.run() if store else None
        held = await HeldStore(world.objects, organization).all() if organization else ()
        backlog = await world.bus.backlog()
        intake = await world.intake.backlog()
    rows = [_row(name, states.get(name), checkpoints.get(name)) for name in world.tables]
    output.table(("table", "rows", "read at", "rows with _unparsed", "last crawl"), rows)
    output.say()
    if run is None:
        output.say("No crawl yet: `productive-ingest backfill` makes one.")
    else:
        state = "finished" if run.finished_us else "not finished: the next `backfill` goes on"
        output.say(f"Last crawl {run.id}: {state}.")
    for one in held:
        what = "wait for the next full crawl" if one.confirmed else one.reason
        output.say(f"Deletions of {one.table} held back: {what}.", style="yellow")
    dead_letters = backlog.dead_letters + intake.dead_letters
    output.say(f"On the bus: {backlog.messages:,} messages. Dead letters: {dead_letters:,}.")
    if intake.messages:
        output.say(f"Deliveries of webhooks that wait to be read: {intake.messages:,}{_since(intake)}.")
    if dead_letters:
        output.say("`productive-ingest deadletters list` shows why.", style="yellow")
    output.result(
        {
            "run": run,
            "backlog": _waiting(backlog),
            "webhooks": _waiting(intake),
            "dead_letters": dead_letters,
            "held_deletions": held,
            "tables": {name: _plain(states.get(name), checkpoints.get(name)) for name in world.tables},
        }
    )


async def _states(invocation: Invocation, world: World) -> Mapping[str, TableState]:
    async with AsyncExitStack() as stack:
        try:
            warehouse = await stack.enter_async_context(
                open_for_reading(invocation.settings, invocation.output)
            )
        except (BusyError, StorageError) as error:
            invocation.output.note(error.message, style="yellow")
            return {}
        found = await asyncio.gather(*map(warehouse.state, world.tables))
        states = dict(zip(world.tables, found, strict=True))
    return {name: state for name, state in states.items() if state is not None}


async def _organization(world: World) -> str | None:
    """The organization in the settings, else the only one there is any crawl state of."""
    if world.settings.organization_id:
        return world.settings.organization_id
    known = {name.split("/")[1] for name in await world.objects.list("organizations/")}
    return known.pop() if len(known) == 1 else None


async def _checkpoints(world: World, store: CheckpointStore | None) -> Mapping[str, TableCheckpoint]:
    found = {name: await store.table(name) for name in world.tables} if store else {}
    return {name: checkpoint for name, checkpoint in found.items() if checkpoint is not None}


def _row(name: str, state: TableState | None, checkpoint: TableCheckpoint | None) -> tuple[Any, ...]:
    return (
        name,
        state.rows if state else None,
        _moment(state.last_synced_us) if state else "",
        (state.unparsed_rows or None) if state else None,
        describe(checkpoint) if checkpoint else "",
    )


def _plain(state: TableState | None, checkpoint: TableCheckpoint | None) -> dict[str, Any]:
    return {
        "warehouse": msgspec.to_builtins(state) if state else None,
        "last_crawl": msgspec.to_builtins(summarize_table(checkpoint)) if checkpoint else None,
    }


def _waiting(backlog: Backlog) -> dict[str, Any]:
    return {"messages": backlog.messages, "bytes": backlog.bytes, "oldest_us": backlog.oldest_us}


def _since(backlog: Backlog) -> str:
    return f", the oldest since {_moment(backlog.oldest_us)}" if backlog.oldest_us else ""


def _moment(us: int | None) -> str:
    return datetime.fromtimestamp(us / MICROSECONDS, UTC).isoformat(sep=" ", timespec="seconds") if us else ""
