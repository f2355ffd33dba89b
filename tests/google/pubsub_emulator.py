"""Google's own emulator of Pub/Sub, where the Google Cloud CLI has installed it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_START_SECONDS = 60.0
_LOOK_SECONDS = 0.05


class EmulatorMissingError(Exception):
    """It is not installed; the message says what is missing."""


def find_emulator() -> Path:
    """The script that starts it."""
    gcloud = shutil.which("gcloud")
    if gcloud is None:
        raise EmulatorMissingError("the Google Cloud CLI is not installed")
    root = subprocess.run(
        [gcloud, "info", "--format=value(installation.sdk_root)"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    ).stdout.strip()
    script = Path(root) / "platform" / "pubsub-emulator" / "bin" / "cloud-pubsub-emulator"
    if not root or not script.exists():
        raise EmulatorMissingError("`gcloud components install pubsub-emulator` was never run")
    if shutil.which("java") is None:
        raise EmulatorMissingError("Java is not installed")
    return script


@contextmanager
def running_emulator(log: Path) -> Iterator[str]:
    """Its `host:port`, until the body ends. It lives in memory, and is this process's own."""
    script = find_emulator()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "JAVA_OPTS": "-Xmx512m"}
    with log.open("wb") as output:
        # The script becomes the Java process, so that its id is the server's.
        process = subprocess.Popen(
            [str(script), "--host=127.0.0.1", f"--port={port}"],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
        )
    try:
        _await_start(port, process)
        yield f"127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_start(port: int, process: subprocess.Popen[bytes]) -> None:
    """Return when it accepts connections."""
    end = time.monotonic() + _START_SECONDS
    while True:
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"the emulator did not start (it ended with {process.returncode})")
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1.0):
                return
        except OSError:
            time.sleep(_LOOK_SECONDS)
