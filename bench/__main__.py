"""`python -m bench [--only NAME] [--full] [--json FILE]`; see docs/benchmarks.md."""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import bus, limits, live, memory, pipeline, pubsub, receiver, requests, storage_write, warehouse
from bench.report import Figure, Options, print_figures, write_figures

MEASURES: dict[str, Callable[[Options], Coroutine[Any, Any, list[Figure]]]] = {
    "requests": requests.measure,
    "limits": limits.measure,
    "pipeline": pipeline.measure,
    "memory": memory.measure,
    "bus": bus.measure,
    "warehouse": warehouse.measure,
    "receiver": receiver.measure,
    "live": live.measure,
    "pubsub": pubsub.measure,
    "storage_write": storage_write.measure,
}


def main(arguments: list[str]) -> int:
    """Measure, print, and return 1 when a goal was missed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure productive-ingest.")
    parser.add_argument("--only", action="append", choices=MEASURES, help="may be repeated")
    parser.add_argument("--full", action="store_true", help="the long way, with a million records")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    chosen = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 140)
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="productive-bench-") as folder:
        for name in chosen.only or MEASURES:
            started = time.monotonic()
            figures += asyncio.run(MEASURES[name](Options(full=chosen.full, folder=Path(folder))))
            console.print(f"[dim]{name}: measured in {time.monotonic() - started:.0f} s[/dim]")
    print_figures(console, figures)
    if chosen.json:
        write_figures(chosen.json, _machine(), figures)
    return int(any(figure.verdict == "missed" for figure in figures))


def _machine() -> dict[str, Any]:
    packages = ("aiohttp", "duckdb", "msgspec", "orjson", "pyarrow", "zstandard")
    return {
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{package: metadata.version(package) for package in packages},
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
