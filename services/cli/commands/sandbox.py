"""`productive-ingest sandbox`."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable

import click

from services.cli.options import Invocation, common_options, run_async
from services.cli.output import Output
from services.sandbox import Limits, Sandbox, SandboxSettings
from services.sandbox.load import Load, LoadEvent, LoadSettings

LIMIT_SCALE = 100.0
_SECONDS_BETWEEN_LINES = 1.0


@click.command(epilog="Example: productive-ingest sandbox --port 8900 --people 20 --load 2")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="0 takes a free one.  [default: 0]")
@click.option("--people", type=click.IntRange(2), default=50, show_default=True, help="The agency's size.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed, the same data.")
@click.option(
    "--load",
    "rate",
    type=click.FloatRange(0, 1000),
    default=0.0,
    metavar="CHANGES_PER_SECOND",
    help="Let people at the agency work: log time, move tasks, send invoices.  [default: 0]",
)
@common_options
@run_async
async def sandbox(invocation: Invocation, port: int, people: int, seed: int, rate: float) -> None:
    """Serve a make-believe Productive organization on this machine, until stopped.

    Its rate limits are the real ones with windows a hundred times shorter. Webhooks work as well: whoever
    registers is told of every change, and with --load there are some.
    """
    settings = SandboxSettings(seed=seed, people=people, port=port, limits=Limits(time_scale=LIMIT_SCALE))
    async with Sandbox(settings) as served, asyncio.TaskGroup() as group:
        variables = {
            "PRODUCTIVE_API_URL": served.url,
            "PRODUCTIVE_API_TOKEN": served.token,
            "PRODUCTIVE_ORGANIZATION_ID": served.organization_id,
            "PRODUCTIVE_LIMIT_SCALE": f"{LIMIT_SCALE:g}",
        }
        invocation.output.say("In another terminal:", style="bold")
        for name, value in variables.items():
            invocation.output.say(f"export {name}={value}")
        invocation.output.say("productive-ingest backfill")
        invocation.output.result(variables)
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        load = Load(served.organization, LoadSettings(seed=seed))
        if rate:
            group.create_task(load.run(rate, tell=_teller(invocation.output)))
        await stopped.wait()
        load.stop()


def _teller(output: Output) -> Callable[[LoadEvent], None]:
    """Shows what happens, though no more of it than a person can read."""
    shown = float("-inf")

    def tell(event: LoadEvent) -> None:
        nonlocal shown
        if time.monotonic() - shown >= _SECONDS_BETWEEN_LINES:
            shown = time.monotonic()
            output.note(event.text)

    return tell
