"""Second processes, for what one process alone cannot show."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ROOT = Path(__file__).parents[2]

OPEN = """
import asyncio, sys
from shared.errors import IngestError
from shared.warehouse import open_duckdb

async def main(url, read_only):
    try:
        warehouse = await open_duckdb(url, read_only=read_only == "read-only")
    except IngestError as error:
        print(type(error).__name__, error.message, error.advice, flush=True)
        return
    print("opened", flush=True)
    sys.stdin.read()
    await warehouse.close()

asyncio.run(main(*sys.argv[1:]))
"""


@contextmanager
def started(code: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A Python process that runs `code`; it is killed at the end of the block if it still runs."""
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=_ROOT,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def said(process: subprocess.Popen[str]) -> str:
    """The next line that the process prints; empty when it has ended."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def answer(code: str, *arguments: str) -> str:
    """What a process prints that is run to its end."""
    with started(code, *arguments) as process:
        output, _ = process.communicate()
        assert process.returncode == 0
        return output.strip()


def attempt_to_open(url: str, *, read_only: bool) -> str:
    """What another process says that tries to open the warehouse: `opened`, or the error."""
    return answer(OPEN, url, "read-only" if read_only else "read-write")
