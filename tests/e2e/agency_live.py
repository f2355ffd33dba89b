"""A sandbox whose webhooks lead to the real commands, and the comparison of the two at the end."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from services.sandbox import Sandbox, SandboxSettings, WebhookSettings
from services.sandbox.load import Load, LoadSettings
from shared.bus import open_bus
from shared.catalog import load_catalog
from shared.urls import url_of
from tests.e2e.expected import assert_same
from tests.e2e.harness import Ended, Home, Started

FED = sorted(table.name for table in load_catalog().values() if table.events)
NEVER_OFF = 10**9
PATIENCE = 60.0


class Live:
    """An installation and the sandbox it follows. Commands run beside the sandbox, not in its loop."""

    def __init__(self, sandbox: Sandbox, home: Home, *, seed: int = 1) -> None:
        self.sandbox = sandbox
        self.home = home
        self.load = Load(sandbox.organization, LoadSettings(seed=seed))
        self.port = free_port()
        self._said: asyncio.Queue[str] = asyncio.Queue()
        home.variables["PORT"] = str(self.port)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def run(self, *arguments: str) -> Ended:
        """One command, to its end."""
        return await asyncio.to_thread(self.home.run, *arguments)

    @asynccontextmanager
    async def running(self, *arguments: str) -> AsyncIterator[Started]:
        """A command that takes webhooks, from when it does until the body ends."""
        with self.home.start(*(arguments or ("run",))) as started:
            await asyncio.to_thread(started.line, "webhooks are taken")
            # What it says besides must not fill the pipe.
            self._said = asyncio.Queue()
            draining = asyncio.create_task(
                asyncio.to_thread(self._listen, started, asyncio.get_running_loop())
            )
            try:
                yield started
            finally:
                if started.process.poll() is None:
                    started.process.kill()
                await draining

    async def stop(self, started: Started) -> None:
        """End it as a scheduler does."""
        started.send(signal.SIGTERM)
        assert await asyncio.to_thread(started.process.wait, PATIENCE) == 0

    async def work(self, *, rate: float, seconds: float) -> None:
        """Let people at the agency work for so long."""
        async with asyncio.timeout(seconds + PATIENCE):
            working = asyncio.create_task(self.load.run(rate))
            await asyncio.sleep(seconds)
            self.load.stop()
            await working

    async def line(self, beginning: str) -> str:
        """The next line that the running command says, and that begins so."""
        async with asyncio.timeout(PATIENCE):
            while not (said := await self._said.get()).startswith(beginning):
                pass
        return said

    async def settle(self, *buses: str, intake: Path | None = None) -> None:
        """Return when everything was delivered, read and written; fails when that takes too long."""
        files = {"intake": intake or self.home.data / "intake.sqlite", "bus": self.home.data / "bus.sqlite"}
        async with asyncio.timeout(PATIENCE):
            await self.sandbox.webhooks.idle()
            for name in buses or ("intake", "bus"):
                bus = await open_bus(url_of("sqlite", files[name]))
                try:
                    async for _ in _looks():
                        if not (await bus.backlog()).messages and not self._spooled():
                            break
                finally:
                    await bus.close()

    def _listen(self, started: Started, loop: asyncio.AbstractEventLoop) -> None:
        assert started.process.stderr is not None
        for said in started.process.stderr:
            with contextlib.suppress(RuntimeError):  # the test is over
                loop.call_soon_threadsafe(self._said.put_nowait, said)

    def _spooled(self) -> bool:
        return any((self.home.data / "objects" / "spool").glob("**/*"))

    def assert_equal(self) -> None:
        """The tables that webhooks feed hold what the sandbox holds, row by row, value by value."""
        for table in FED:
            resources = [plain(one) for one in self.sandbox.organization.resources(table)]
            assert_same(table, resources, self.home.rows(table))


@asynccontextmanager
async def living(
    folder: Path, webhooks: WebhookSettings | None = None, *, people: int = 6, seed: int = 1
) -> AsyncIterator[Live]:
    """A small agency that nothing limits, and an empty installation beside it."""
    settings = SandboxSettings(people=people, seed=seed, webhooks=webhooks or WebhookSettings())
    async with Sandbox(settings) as sandbox:
        home = Home(
            folder,
            {
                "PRODUCTIVE_API_URL": sandbox.url,
                "PRODUCTIVE_API_TOKEN": sandbox.token,
                "PRODUCTIVE_ORGANIZATION_ID": sandbox.organization_id,
                "PRODUCTIVE_LIMIT_SCALE": "1000",
            },
        )
        home.only(*FED)
        yield Live(sandbox, home, seed=seed)


def plain(resource: dict[str, Any]) -> dict[str, Any]:
    """A resource of the sandbox in the form of `expected`: relationships without their envelope."""
    ends = {name: end["data"] for name, end in resource["relationships"].items()}
    return {**resource, "relationships": ends}


def free_port() -> int:
    """A port that a process can be started on again and again."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _looks() -> AsyncIterator[None]:
    """A look now and then, as another process is looked at; whoever looks sets the timeout."""
    for number in itertools.count():
        yield
        await asyncio.sleep(min(0.2, 0.01 * number))
