"""`productive-ingest webhooks`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import click

from services.cli.options import Invocation, common_options, run_async
from services.cli.pipeline import write_while
from services.cli.render import webhooks as render
from services.cli.world import World, open_client, open_world, organization_id
from services.ingest.reading.observing import SilentObserver
from services.ingest.reading.reader import Reader
from services.ingest.tokens import GRACE_SECONDS, TokenBook
from services.ingest.webhooks.address import PublicAddress
from services.ingest.webhooks.environment import ReplayEnvironment, WebhooksEnvironment
from services.ingest.webhooks.events import choose
from services.ingest.webhooks.listing import list_webhooks
from services.ingest.webhooks.probe import Prober
from services.ingest.webhooks.register import register as register_webhooks
from services.ingest.webhooks.remove import remove as remove_webhooks
from services.ingest.webhooks.replay import DEFAULT_SINCE, Replayed
from services.ingest.webhooks.replay import replay as replay_webhooks
from services.ingest.webhooks.rotate import rotate as rotate_webhooks
from services.ingest.webhooks.since import parse_since
from services.ingest.webhooks.verify import verify as verify_webhooks
from services.writer.environment import WriterTotals
from shared.catalog import load_catalog
from shared.errors import ExitCode, IngestError
from shared.productive import PROMPT, RetryPolicy
from shared.secrets import open_secrets

_HOUR = 3600.0
_DRAIN_SECONDS = 900.0


@dataclass(frozen=True)
class _Desk:
    """The stores and both environments, open while a command runs."""

    world: World
    webhooks: WebhooksEnvironment
    replay: ReplayEnvironment


@click.group(epilog="Example: productive-ingest webhooks register --url https://hooks.example.com")
def webhooks() -> None:
    """Changes within seconds: Productive's webhooks registered, watched, mended, replayed."""


@webhooks.command(
    epilog="Example: productive-ingest webhooks register --url https://hooks.example.com --event task"
)
@click.option("--url", required=True, help="Where Productive reaches the receiver, without /webhooks/….")
@click.option(
    "-e",
    "--event",
    "events",
    multiple=True,
    help="Only this event: task.update, task, tasks or 24; may be repeated.  [default: all of the "
    "selected tables]",
)
@click.option("--replace", is_flag=True, help="Delete those of our kind at other addresses.")
@click.option("--dry-run", is_flag=True, help="Show what would be done, and change nothing.")
@common_options
@run_async
async def register(
    invocation: Invocation, url: str, events: Sequence[str], replace: bool, dry_run: bool
) -> None:
    """Make one webhook per event and keep its signature token; a second run finds nothing to do.

    Needs a token that may write, and a plan with webhooks (Ultimate).
    """
    address = PublicAddress.parse(url)
    async with _open(invocation) as desk:
        chosen = choose(desk.webhooks.catalog, desk.webhooks.tables, events)
        outcome = await register_webhooks(desk.webhooks, address, chosen, replace=replace, dry_run=dry_run)
    render.print_registered(invocation.output, outcome, dry_run=dry_run)
    if not dry_run:
        invocation.output.say("`productive-ingest webhooks verify` tries the way from end to end.")
    invocation.output.result(render.plain_registered(outcome, dry_run=dry_run))


@webhooks.command("list", epilog="Example: productive-ingest webhooks list --json")
@common_options
@run_async
async def list_command(invocation: Invocation) -> None:
    """The webhooks of ours as Productive has them, with the last failure in two days."""
    async with _open(invocation) as desk:
        listing = await list_webhooks(desk.webhooks)
    render.print_listing(invocation.output, listing)
    invocation.output.result(render.plain_listing(listing))


@webhooks.command(epilog="Example: productive-ingest webhooks verify --replay")
@click.option("--url", default=None, help="The right address, where it is not the registered one.")
@click.option("--dry-run", is_flag=True, help="Show what is wrong, and mend nothing.")
@click.option("--replay", "and_replay", is_flag=True, help="Replay at once what was missed.")
@common_options
@run_async
async def verify(invocation: Invocation, url: str | None, dry_run: bool, and_replay: bool) -> int:
    """Mend what is not as registered, and send a test event through each webhook's public URL.

    What Productive has switched off is made anew. Ends with exit code 1 when an event does not arrive.
    The receiver has to run.
    """
    address = PublicAddress.parse(url) if url else None
    output = invocation.output
    async with _open(invocation) as desk:
        prober = Prober(desk.world.clock)
        outcome = await verify_webhooks(desk.webhooks, prober, address, dry_run=dry_run)
        render.print_verified(output, outcome, dry_run=dry_run)
        replayed = None
        if outcome.missed and and_replay and not dry_run:
            since_us = outcome.missed_since_us
            if since_us is None:
                since_us = parse_since(DEFAULT_SINCE, desk.replay.client.server_clock.now_us())
            replayed = await _replay(desk, since_us, failed_only=False)
            render.print_replayed(output, replayed)
        else:
            render.print_missed(output, outcome)
    plain = render.plain_verified(outcome, dry_run=dry_run)
    output.result({**plain, "replay": render.plain_replayed(replayed) if replayed else None})
    whole = outcome.right and (replayed is None or replayed.complete)
    return ExitCode.OK if whole else ExitCode.INCOMPLETE


@webhooks.command(epilog="Example: productive-ingest webhooks rotate --grace 0")
@click.option(
    "--grace",
    type=click.FloatRange(0, 24 * 30),
    default=GRACE_SECONDS / _HOUR,
    show_default=True,
    help="Hours for which the old tokens still count; 0 when they have leaked.",
)
@common_options
@run_async
async def rotate(invocation: Invocation, grace: float) -> None:
    """New webhooks with new tokens for all registered events, then the old ones deleted.

    No event is missed meanwhile. Run it again when it was interrupted.
    """
    async with _open(invocation) as desk:
        outcome = await rotate_webhooks(desk.webhooks, grace_seconds=grace * _HOUR)
    render.print_rotated(invocation.output, outcome)
    invocation.output.result(render.plain_registered(outcome, dry_run=False))


@webhooks.command(epilog="Example: productive-ingest webhooks remove --event time_entry")
@click.option("-e", "--event", "events", multiple=True, help="Only this event; may be repeated.")
@click.option("--everywhere", is_flag=True, help="Also those of our kind at other addresses.")
@click.option("--dry-run", is_flag=True, help="Show what would be deleted.")
@common_options
@run_async
async def remove(invocation: Invocation, events: Sequence[str], everywhere: bool, dry_run: bool) -> None:
    """Delete our webhooks, and nobody else's. Scheduled crawls go on without them."""
    async with _open(invocation) as desk:
        # Of tables that are no longer selected, too: their webhooks are the first to be removed.
        catalog = desk.webhooks.catalog
        chosen = choose(catalog, list(catalog), events) if events else None
        outcome = await remove_webhooks(desk.webhooks, chosen, everywhere=everywhere, dry_run=dry_run)
    render.print_removed(invocation.output, outcome, dry_run=dry_run)
    invocation.output.result(render.plain_removed(outcome, dry_run=dry_run))


@webhooks.command(epilog="Example: productive-ingest webhooks replay --since 2026-11-20T10:00")
@click.option(
    "--since",
    default=DEFAULT_SINCE,
    show_default=True,
    help="How long ago (90m, 6h, 2d) or when (2026-11-20T10:00, UTC unless it says otherwise).",
)
@click.option("--failed-only", is_flag=True, help="Only deliveries that failed, from Productive's log.")
@common_options
@run_async
async def replay(invocation: Invocation, since: str, failed_only: bool) -> int:
    """Heal an outage: failed deliveries from Productive's log, then what changed since is read again.

    May be repeated, and run beside everything else: versions decide. With the embedded stores it also
    writes what it found. Ends with exit code 1 when a part could not be read.
    """
    async with _open(invocation, RetryPolicy()) as desk:
        since_us = parse_since(since, desk.replay.client.server_clock.now_us())
        outcome = await _replay(desk, since_us, failed_only=failed_only)
    render.print_replayed(invocation.output, outcome)
    invocation.output.result(render.plain_replayed(outcome))
    return ExitCode.OK if outcome.complete else ExitCode.INCOMPLETE


@asynccontextmanager
async def _open(invocation: Invocation, retry: RetryPolicy = PROMPT) -> AsyncIterator[_Desk]:
    settings = invocation.settings
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(open_world(settings))
        client = await stack.enter_async_context(open_client(settings, retry))
        await world.refuse_other_organizations()
        secrets = await open_secrets("env:", settings.secrets_url)
        stack.push_async_callback(secrets.close)
        tokens = TokenBook(secrets, world.clock)
        stack.push_async_callback(tokens.close)
        yield _Desk(
            world,
            world.webhooks(client, tokens),
            ReplayEnvironment(
                client=client,
                intake=world.intake,
                bus=world.bus,
                codec=world.codec,
                catalog=load_catalog(),
                tables=world.tables,
                organization_id=organization_id(settings),
                clock=world.clock,
            ),
        )


async def _replay(desk: _Desk, since_us: int, *, failed_only: bool) -> Replayed:
    """Replay, and with a bus of this machine see it written: nobody else may be running."""

    async def work() -> Replayed:
        outcome = await replay_webhooks(desk.replay, since_us, failed_only=failed_only)
        if desk.world.local_bus:
            await _read_deliveries(desk)
        return outcome

    if desk.world.local_bus:
        return await write_while(desk.world, WriterTotals(), work)
    return await work()


async def _read_deliveries(desk: _Desk) -> None:
    reader = Reader(desk.world.reading(desk.replay.client, SilentObserver()))
    try:
        async with asyncio.timeout(_DRAIN_SECONDS):
            await reader.drain()
    except TimeoutError:
        raise IngestError(
            f"deliveries still wait to be read: {reader.problem() or 'another process has them'}",
            advice="Nothing is lost: they wait on the intake bus, and the next `run` or `replay` goes on.",
        ) from None
