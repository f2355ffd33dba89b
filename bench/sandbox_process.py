"""A sandbox in a process of its own, so that its work is not counted as ours."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import msgspec

from shared.productive import Connection
from shared.secrets import Secret

_START_SECONDS = 120.0


class _Ready(msgspec.Struct):
    url: str
    token: str
    organization_id: str
    records: int


@asynccontextmanager
async def running_sandbox(
    *, bulk: Mapping[str, int] | None = None, limits: str = "none", latency: float = 0.0
) -> AsyncIterator[Connection]:
    """Where it answers and with which token, until the body ends; `limits` as on its command line."""
    arguments = [f"--bulk={table}={count}" for table, count in (bulk or {}).items()]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.sandbox",
        f"--limits={limits}",
        f"--latency={latency}",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        if process.stdout is None:
            raise RuntimeError("the sandbox has no standard output")
        line = await asyncio.wait_for(process.stdout.readline(), _START_SECONDS)
        ready = msgspec.json.decode(line, type=_Ready)
        yield Connection(ready.url, ready.organization_id, Secret(ready.token))
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
