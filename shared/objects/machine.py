"""Which machine this is, where that can be known for sure: so that its processes can be asked for."""

from __future__ import annotations

import os
import socket
import sys
import uuid
from pathlib import Path

_PROC = Path("/proc")


def this_machine() -> str:
    """One boot of one machine and what it takes for one (a container has processes of its own).

    Empty where another could give the same answer: then nobody must be taken for dead because no process
    here has its number. That is so without Linux's boot id, and on Cloud Run, where all containers may be
    called `localhost`, run as process 1, and come from one snapshot of a machine with its boot id. A Mac,
    where nothing runs in containers, is known by its network address.
    """
    if _on_cloud_run():
        return ""
    if sys.platform == "darwin":
        address = uuid.getnode()
        # An address that was made up for want of a real one has this bit, and is another each time.
        return "" if address & 1 << 40 else f"{socket.gethostname()}/{address:012x}"
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        processes = (_PROC / "self/ns/pid").readlink().name
    except OSError:
        return ""
    return f"{socket.gethostname()}/{boot}/{processes}" if boot else ""


def started(pid: int) -> str:
    """When a process began, in ticks since the machine's start: the 22nd field of Linux's `stat`.

    It tells a process from a later one with the same number; empty where it cannot be known.
    """
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _on_cloud_run() -> bool:
    """By the variables that it sets for services, jobs and worker pools (documented)."""
    return "K_SERVICE" in os.environ or any(name.startswith("CLOUD_RUN_") for name in os.environ)
