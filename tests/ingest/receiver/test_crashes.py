"""The process is killed while it takes deliveries."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from pathlib import Path

import pytest

from services.ingest.delivery import Delivery
from services.ingest.receiver.spool import Spool
from shared.bus import open_bus
from shared.clock import SystemClock
from shared.objects import open_objects
from shared.urls import url_of
from tests.ingest.receiver.world import Client

SERVE = """
import asyncio, sys
from pathlib import Path
from tests.ingest.receiver.world import open_world, running

async def main():
    async with open_world(Path(sys.argv[1])) as world, running(world) as client:
        world.bus.state = sys.argv[2]
        print(client.address[1], flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("state", ["working", "down"])
async def test_what_was_answered_with_yes_is_kept_when_the_process_is_killed(
    tmp_path: Path, state: str
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVE, str(tmp_path), state, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    client = Client(("127.0.0.1", int(await process.stdout.readline())))
    answered: set[bytes] = set()
    enough = asyncio.Event()

    async def deliver(worker: int) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            for number in range(1_000):
                body = b"%d %d" % (worker, number)
                if (await client.deliver(body)).status == 200:
                    answered.add(body)
                if len(answered) >= 100:
                    enough.set()

    delivering = [asyncio.create_task(deliver(worker)) for worker in range(8)]
    await enough.wait()
    process.send_signal(signal.SIGKILL)
    await asyncio.gather(*delivering)
    await process.wait()
    assert len(answered) >= 100
    assert answered <= await kept(tmp_path)


async def kept(folder: Path) -> set[bytes]:
    """The bodies on the bus and in the spool."""
    bus = await open_bus(url_of("sqlite", folder / "intake.sqlite"))
    objects = await open_objects(url_of("file", folder / "objects"))
    found = set[bytes]()
    while leased := await bus.pull(max_messages=1_000, max_bytes=1 << 30, wait_seconds=0):
        found |= {Delivery.of(delivery.message).body for delivery in leased}
    spool = Spool(objects, SystemClock(), max_bytes=1)
    for name in await spool.names():
        found |= {delivery.body for delivery in await spool.read(name) or ()}
    await bus.close()
    await objects.close()
    return found
