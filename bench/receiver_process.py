"""A receiver on a new SQLite bus, or a bare handler to compare it with, in a process of its own.

`python -m bench.receiver_process ours|bare FOLDER` prints the port and serves until it is terminated.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
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
_ROOMY = BusSettings(max_bytes=4 << 30)


class _OneToken:
    """The same token for every event."""

    async def tokens(self, event_id: int) -> Sequence[Secret]:  # noqa: ARG002 -- as the port has it
        return (Secret(TOKEN),)

    async def reread(self) -> bool:
        return False


@asynccontextmanager
async def running_receiver(kind: str, folder: Path) -> AsyncIterator[int]:
    """The port of one, until the body ends."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.receiver_process", kind, str(folder), stdout=asyncio.subprocess.PIPE
    )
    try:
        if process.stdout is None:
            raise RuntimeError("the receiver has no standard output")
        yield int(await asyncio.wait_for(process.stdout.readline(), 60))
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _ours(folder: Path) -> None:
    clock = SystemClock()
    intake = await open_bus(url_of("sqlite", folder / "intake.sqlite"), settings=_ROOMY)
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
    asyncio.run(_ours(Path(sys.argv[2])) if sys.argv[1] == "ours" else _bare())
