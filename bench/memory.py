"""The memory of `productive-ingest backfill` while it crawls very many records, as the kernel counts it."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
from pathlib import Path

import msgspec

from bench.report import Figure, Options
from bench.sandbox_process import running_sandbox

GOAL = 300.0
_RECORDS, _MANY = 100_000, 1_000_000
_MEBIBYTE = 1 << 20
_EVERY_SECONDS = 0.2
_REPOSITORY = Path(__file__).parents[1]


async def measure(options: Options) -> list[Figure]:
    """Crawl one large table; a million records with `--full`."""
    records = _MANY if options.full else _RECORDS
    place = options.folder / "memory"
    place.mkdir()
    async with running_sandbox(bulk={"time_entries": records}) as connection:
        variables = {
            "PRODUCTIVE_API_URL": connection.api_url,
            "PRODUCTIVE_API_TOKEN": connection.token.reveal(),
            "PRODUCTIVE_ORGANIZATION_ID": connection.organization_id,
            "PRODUCTIVE_LIMIT_SCALE": "10000",
            "PYTHONPATH": str(_REPOSITORY),
        }
        started = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.cli", "backfill", "--table", "time_entries", "--json"),
            env={**os.environ, **variables},
            cwd=place,
            stdout=asyncio.subprocess.PIPE,
        )
        sampling = asyncio.create_task(_sample(process))
        output, _ = await process.communicate()
        samples, took = await sampling, time.perf_counter() - started
    shutil.rmtree(place)
    arrived = msgspec.json.decode(output)["written"]["time_entries"]
    if process.returncode or arrived < records:
        raise RuntimeError(f"the crawl ended with {process.returncode} and {arrived:,} rows")
    quarter = len(samples) // 4
    early, late = max(samples[quarter : 2 * quarter]), max(samples[-quarter:])
    return [
        Figure(
            "memory",
            f"largest resident memory over {arrived:,} records",
            max(samples),
            "MiB",
            at_most=GOAL,
            detail={"s": took, "records/s": arrived / took},
        ),
        Figure(
            "memory",
            "the same in the last quarter of the time ÷ in the second",
            late / early,
            "ratio",
            detail={"second quarter MiB": early, "last quarter MiB": late},
        ),
    ]


async def _sample(process: asyncio.subprocess.Process) -> list[float]:
    """Resident MiB over the life of the process."""
    samples: list[float] = []
    while process.returncode is None and (resident := _resident(process.pid)):
        samples.append(resident)
        await asyncio.sleep(_EVERY_SECONDS)
    return samples


def _resident(pid: int) -> float | None:
    """MiB; None once the process is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / _MEBIBYTE
