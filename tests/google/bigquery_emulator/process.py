"""Starts the emulator for tests, and ends it."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
PYTHON = ROOT / ".venv" / "bigquery-emulator" / "bin" / "python"
MODULE = "tests.google.bigquery_emulator.launcher"


@dataclass(frozen=True)
class Emulator:
    """Where it serves."""

    rest_url: str
    grpc_target: str

    def let_pass(self, seconds: float) -> None:
        """Let time pass for the memory of deletions."""
        request = urllib.request.Request(
            f"{self.rest_url}/stand-in/clock", json.dumps({"seconds": seconds}).encode(), method="POST"
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            answer.read()


def why_not() -> str:
    """Why there can be no emulator here; nothing when there can."""
    return "" if PYTHON.exists() else "the BigQuery emulator is not installed: `make bigquery-emulator`"


@contextmanager
def running() -> Iterator[Emulator]:
    """An emulator in a process of its own, which ends with this one whatever happens."""
    process = subprocess.Popen(
        [PYTHON, "-m", MODULE],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if line.startswith("http://"):
                rest_url, grpc_target = line.split()
                yield Emulator(rest_url, grpc_target)
                return
        raise RuntimeError(f"the BigQuery emulator did not start: try `{PYTHON} -m {MODULE}`")
    finally:
        process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
