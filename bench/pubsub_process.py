"""What the measures of Pub/Sub run in processes of their own.

`python -m bench.pubsub_process` prints the port of a receiver whose intake is on Pub/Sub (at
PUBSUB_EMULATOR_HOST), and serves until it is terminated.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from bench.receiver_process import TOKEN
from services.ingest.receiver.environment import ReceiverEnvironment
from services.ingest.receiver.service import Receiver
from shared.bus import BusSettings
from shared.bus.pubsub.connect import connect
from shared.clock import SystemClock
from shared.objects import open_objects
from shared.secrets import Secret
from shared.urls import url_of


class _OneToken:
    """The same token for every event."""

    async def tokens(self, event_id: int) -> tuple[Secret, ...]:  # noqa: ARG002 -- as the port has it
        return (Secret(TOKEN),)

    async def reread(self) -> bool:
        return False


@asynccontextmanager
async def running(module: str, *arguments: str, environment: Mapping[str, str]) -> AsyncIterator[int]:
    """The port that a process of a module prints, until the body ends."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
    )
    try:
        if process.stdout is None:
            raise RuntimeError("the process has no standard output")
        yield int(await asyncio.wait_for(process.stdout.readline(), 60))
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _receiver(folder: Path) -> None:
    clock = SystemClock()
    intake = await connect("pubsub://agency-data/deliveries", clock=clock, settings=BusSettings())
    objects = await open_objects(url_of("file", folder / "objects"))
    env = ReceiverEnvironment(intake=intake, objects=objects, tokens=_OneToken(), clock=clock, port=0)
    receiver = Receiver(env)
    _, port = await receiver.start()
    print(port, flush=True)
    await receiver.run()


if __name__ == "__main__":
    asyncio.run(_receiver(Path(sys.argv[1])))
