"""Servers of the measures in processes of their own, so that they share no event loop with their load."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_START_SECONDS = 60


@asynccontextmanager
async def serving(module: str, *arguments: str) -> AsyncIterator[int]:
    """The port that a process of a module prints, until the body ends."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments, stdout=asyncio.subprocess.PIPE
    )
    try:
        if process.stdout is None:
            raise RuntimeError(f"{module} has no standard output")
        yield int(await asyncio.wait_for(process.stdout.readline(), _START_SECONDS))
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
