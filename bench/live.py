"""From a change to its row: 100 changes a second, told by webhook, watched in the embedded warehouse.

Everything that `run` has but the crawl, and the sandbox with its working agency, share one process here, so
it is busier than in earnest. A change counts from the moment at which it happened, which is before its
webhook is accepted, until a query sees the row. Deliveries are mostly partial, as those seen of Productive:
their records are read again. The second figure is measured under Productive's real limits.
"""

from __future__ import annotations

from bench.report import Figure, Options
from bench.stores import UNLIMITED, crawl_and_write, new_client, new_world
from services.cli.demonstration import LiveOutcome, show_live
from services.cli.output import Output
from services.sandbox import Limits, Sandbox, SandboxSettings, WebhookSettings
from shared.catalog import load_catalog
from shared.productive import Connection
from shared.secrets import Secret

GOAL = 1.5
_RATE = 100.0
_SECONDS = 20.0
_LONG_SECONDS = 120.0


async def measure(options: Options) -> list[Figure]:
    """The 99th percentile without limits on requests, and with the real ones."""
    seconds = _LONG_SECONDS if options.full else _SECONDS
    free = await _watched(options, None, UNLIMITED, seconds)
    limited = await _watched(options, Limits(), 1.0, seconds)
    return [
        _figure("99 % of the changes are in the warehouse within", free, goal=GOAL),
        _figure("the same under Productive's limits on requests", limited),
    ]


async def _watched(
    options: Options, limits: Limits | None, limit_scale: float, seconds: float
) -> LiveOutcome:
    webhooks = WebhookSettings(complete_share=0.2, duplicate_share=0.05, shuffle=0.02)
    fed = [table.name for table in load_catalog().values() if table.events]
    async with Sandbox(SandboxSettings(limits=limits, webhooks=webhooks)) as sandbox:
        connection = Connection(sandbox.url, sandbox.organization_id, Secret(sandbox.token))
        async with (
            new_world(options.folder, connection, fed) as world,
            new_client(connection, limit_scale=limit_scale) as client,
        ):
            await crawl_and_write(world, client)
            outcome = await show_live(
                Output(as_json=True), world, client, sandbox, seconds=seconds, rate=_RATE
            )
    if outcome.not_seen or outcome.differing:
        raise RuntimeError(f"not everything arrived: {outcome}")
    return outcome


def _figure(what: str, outcome: LiveOutcome, *, goal: float | None = None) -> Figure:
    return Figure(
        "live",
        what,
        outcome.p99_seconds,
        "s",
        at_most=goal,
        detail={
            "changes": outcome.changes,
            "median s": outcome.median_seconds,
            "longest s": outcome.longest_seconds,
            "read again": outcome.deliveries["reread"],
            "requests": outcome.requests,
        },
    )
