"""`python -m services.sandbox`: serves one sandbox until SIGTERM or SIGINT.

Prints one line of JSON when it is ready: url, token, organization_id and the number of records; and one when
it ends: how many changes its load made, and what was sent to webhooks.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from typing import Any

import msgspec

from services.sandbox import Limits, Sandbox, SandboxSettings, WebhookSettings
from services.sandbox.load import Load, LoadSettings


def _bulk(text: str) -> tuple[str, int]:
    table, _, count = text.partition("=")
    if not table or not count.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not TABLE=COUNT, as in time_entries=1000000")
    return table, int(count)


def _limits(text: str) -> Limits | None:
    match text.partition(":"):
        case ("none", "", ""):
            return None
        case ("real", "", ""):
            return Limits()
        case ("scaled", ":", factor) if factor.isdigit() and int(factor) > 0:
            return Limits(time_scale=int(factor))
    raise argparse.ArgumentTypeError(f"{text!r} is none of real, none, scaled:100")


def _webhooks(text: str) -> WebhookSettings:
    try:
        unknown = msgspec.json.decode(text, type=dict[str, Any]).keys() - WebhookSettings.__annotations__
        if not unknown:
            return msgspec.json.decode(text, type=WebhookSettings)
    except msgspec.DecodeError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from None
    raise argparse.ArgumentTypeError(f"{text!r}: there is no {', '.join(sorted(unknown))}")


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m services.sandbox", description="Serve a make-believe Productive organization."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port (default)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--people", type=int, default=50, help="how many work at the agency (default 50)")
    parser.add_argument("--bulk", type=_bulk, action="append", default=[], metavar="TABLE=COUNT")
    parser.add_argument("--limits", type=_limits, default=None, metavar="real|none|scaled:100")
    parser.add_argument("--latency", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--gzip", action="store_true")
    parser.add_argument("--load", type=float, default=0.0, metavar="CHANGES_PER_SECOND")
    parser.add_argument(
        "--webhooks",
        type=_webhooks,
        default=WebhookSettings(),
        metavar="JSON",
        help="fields of WebhookSettings",
    )
    return parser.parse_args(arguments)


def _settings(options: argparse.Namespace) -> SandboxSettings:
    return SandboxSettings(
        seed=options.seed,
        people=options.people,
        limits=options.limits,
        bulk=dict(options.bulk),
        latency=options.latency,
        gzip=options.gzip,
        webhooks=options.webhooks,
        host=options.host,
        port=options.port,
    )


async def _serve(settings: SandboxSettings, rate: float) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    async with Sandbox(settings) as sandbox, asyncio.TaskGroup() as group:
        organization = sandbox.organization
        ready = {
            "url": sandbox.url,
            "token": sandbox.token,
            "organization_id": sandbox.organization_id,
            "records": sum(organization.count(table) for table in organization.tables),
        }
        _print(ready)
        load = Load(organization, LoadSettings(seed=settings.seed))
        if rate > 0:
            group.create_task(load.run(rate))
        await ended.wait()
        load.stop()
    _print({"changes": load.made, "webhooks": sandbox.webhooks.counters})


def _print(value: object) -> None:
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    chosen = _options(sys.argv[1:])
    asyncio.run(_serve(_settings(chosen), chosen.load))
