"""A receiver on a new SQLite bus or on Pub/Sub, or a bare handler to compare it with.

`python -m bench.receiver_process sqlite|pubsub|bare FOLDER` prints the port and serves until it is
terminated; Pub/Sub is the stand-in at PUBSUB_EMULATOR_HOST.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from aiohttp import web

from services.ingest.receiver.environment import ReceiverEnvironment
from services.ingest.receiver.service import Receiver
from shared.bus import BusSettings, open_bus
from shared.clock import SystemClock
from shared.objects import open_objects
from shared.secrets import Secret
from shared.urls import url_of

TOKEN = "5f0c1a3e-3b1d-4b52-9a53-0f3f1f8b7f11"
_ON_PUBSUB = "pubsub://agency-data/deliveries"
_ROOMY = BusSettings(max_bytes=4 << 30)


class _OneToken:
    """The same token for every event."""

    async def tokens(self, event_id: int) -> Sequence[Secret]:  # noqa: ARG002 -- as the port has it
        return (Secret(TOKEN),)

    async def reread(self) -> bool:
        return False


async def _ours(kind: str, folder: Path) -> None:
    clock = SystemClock()
    on_sqlite = url_of("sqlite", folder / "intake.sqlite")
    intake = await open_bus(on_sqlite if kind == "sqlite" else _ON_PUBSUB, settings=_ROOMY)
    objects = await open_objects(url_of("file", folder / "objects"))
    env = ReceiverEnvironment(intake=intake, objects=objects, tokens=_OneToken(), clock=clock, port=0)
    receiver = Receiver(env)
    _, port = await receiver.start()
    print(port, flush=True)
    await receiver.run()


async def _bare() -> None:
    async def handle(request: web.Request) -> web.Response:
        await request.read()
        return web.Response()

    app = web.Application()
    app.router.add_post("/webhooks/productive/{event_id}", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_bare() if sys.argv[1] == "bare" else _ours(sys.argv[1], Path(sys.argv[2])))
