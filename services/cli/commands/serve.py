"""`productive-ingest serve`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import click

from services.cli.live import Live, live
from services.cli.options import Invocation, common_options, run_async
from services.cli.output import Output
from services.cli.supervision import Crew, stop_on_signals
from services.cli.world import open_client, open_world
from shared.config import Settings

Result = TypeVar("Result")


def listening_options(body: Callable[..., Result]) -> Callable[..., Result]:
    """Add `--host` and `--port`."""
    body = click.option(
        "--port", type=click.IntRange(0, 65_535), help="The port; 0 takes a free one.  [default: 8080]"
    )(body)
    return click.option("--host", help="The address to listen on.  [default: 127.0.0.1]")(body)


@click.command(epilog="Example: productive-ingest serve --host 0.0.0.0 --port 8080")
@listening_options
@common_options
@run_async
async def serve(invocation: Invocation, host: str | None, port: int | None) -> None:
    """Take Productive's webhooks and turn them into records on the bus, until stopped.

    It answers 200 once a delivery is durable. A `writer`, or a `run` in its place, brings the records into
    the warehouse. `webhooks register` tells Productive to send them here.
    """
    settings = listening(invocation.settings, host, port)
    async with (
        open_client(settings) as client,
        open_world(settings) as world,
        live(world, client, invocation.output.note) as service,
    ):
        await world.refuse_other_organizations()
        await tell_address(invocation.output, service)
        crew = Crew()
        service.join(crew)
        crew.start(world.watch_buses())
        await crew.run(stop_on_signals())
        counts = service.counts()
    invocation.output.result({"webhooks": counts})


def listening(settings: Settings, host: str | None, port: int | None) -> Settings:
    """The settings with what the command line says about the address."""
    return replace(settings, host=host or settings.host, port=settings.port if port is None else port)


async def tell_address(output: Output, service: Live) -> None:
    """Say where it listens, and what is still to be done before anything comes."""
    output.note(f"webhooks are taken at {service.address}")
    registered = await service.registered()
    if registered:
        output.note(f"{registered} webhooks are registered; `productive-ingest webhooks verify` tries them")
    else:
        output.note(
            "no webhook is registered yet: `productive-ingest webhooks register --url https://...` with the "
            "address under which this one is reached from outside",
            style="yellow",
        )
