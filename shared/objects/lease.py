"""One of a kind at a time (a crawl, an embedded writer): a lease in the objects store, renewed while held.

A holder that was killed leaves its lease behind. On the same machine that is seen at once (its process
is gone); otherwise the lease is watched, and taken over when nobody renews it for as long as it lasts.
No clock of another machine is trusted: only whether the object changes while we look.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from shared.clock import Clock
from shared.errors import BusyError, IngestError
from shared.objects.port import Generation, Objects, StoredObject

LEASE_SECONDS = 30.0
_PROC = Path("/proc")
_BOOT_ID = _PROC / "sys/kernel/random/boot_id"
_PROCESSES = _PROC / "self/ns/pid"

log = logging.getLogger(__name__)


class Holder(msgspec.Struct, frozen=True):
    """Who holds a lease.

    `owner` is unique to one acquisition, `machine` to one boot of one machine and what it takes for one
    (a container has processes of its own). `started` tells the process from a later one with the same
    number, empty where that cannot be known.
    """

    owner: str
    machine: str
    pid: int
    started: str = ""
    renewals: int = 0


@contextlib.asynccontextmanager
async def hold_lease(objects: Objects, name: str, clock: Clock, *, what: str) -> AsyncIterator[None]:
    """Hold the lease `name` while the body runs; a lost lease cancels the body.

    `what` says for people what the lease is for. Raises `BusyError` when another process holds it, or
    has taken it over in the meantime.
    """
    holder = Holder(secrets.token_hex(8), _machine(), os.getpid(), _started(os.getpid()))
    generation = await _acquire(objects, name, holder, clock, what)
    body = asyncio.current_task()
    if body is None:
        raise RuntimeError("a lease is held by a task")
    lost = leaving = False
    renewing = asyncio.Lock()

    async def keep() -> None:
        nonlocal lost
        while not lost:
            await clock.sleep(LEASE_SECONDS / 3)
            async with renewing:
                lost = not await renew()
        if not leaving:
            body.cancel()

    async def renew() -> bool:
        nonlocal generation, holder
        holder = msgspec.structs.replace(holder, renewals=holder.renewals + 1)
        try:
            renewed = await objects.compare_and_set(name, msgspec.json.encode(holder), generation)
        except IngestError as error:
            # Whether it is lost shows the next time; until then the body may know better what to do.
            log.warning("the lease %s could not be renewed: %s", name, error)
            return True
        generation = renewed or generation
        return renewed is not None

    keeper = asyncio.create_task(keep())
    try:
        yield
    except asyncio.CancelledError:
        if lost:
            body.uncancel()
            raise BusyError(f"another process has taken over {what}; this one has stopped") from None
        raise
    finally:
        leaving = True
        # A renewal that is cut short may happen all the same, and then the lease could not be given back.
        async with renewing:
            keeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeper
        if not lost:
            # Emptied rather than deleted: only whoever still holds it can do so. If it cannot be given
            # back, the end of this process does that, and the body's own error must not be hidden.
            with contextlib.suppress(IngestError):
                await objects.compare_and_set(name, b"", generation)


async def is_held(objects: Objects, name: str) -> bool:
    """Whether somebody holds the lease, as far as can be seen from here; nothing is changed by looking."""
    stored = await objects.read(name)
    return stored is not None and bool(stored.data) and not _is_gone(stored)


async def _acquire(objects: Objects, name: str, holder: Holder, clock: Clock, what: str) -> Generation:
    data = msgspec.json.encode(holder)
    while True:
        stored = await objects.read(name)
        if stored is not None and stored.data and not _is_gone(stored):
            await _wait_out(objects, name, stored, clock, what)
        generation = await objects.compare_and_set(name, data, stored.generation if stored else None)
        if generation is not None:
            return generation


async def _wait_out(objects: Objects, name: str, seen: StoredObject, clock: Clock, what: str) -> None:
    """Return when nobody renewed the lease for its whole length; `BusyError` as soon as somebody does."""
    other = _holder(seen)
    advice = "Wait for it to end, or end it; one that was killed is taken over by itself."
    if other and other.machine == _machine():
        raise BusyError(f"{what} is already running (process {other.pid})", advice=advice)
    waited = 0.0
    while waited < LEASE_SECONDS:
        await clock.sleep(1.0)
        waited += 1.0
        now = await objects.read(name)
        if now is not None and now.generation != seen.generation:
            raise BusyError(f"{what} is already running on another machine", advice=advice)


def _is_gone(stored: StoredObject) -> bool:
    """Whether the holder certainly does not live any more."""
    other = _holder(stored)
    if other is None:
        return True
    if other.machine != _machine():
        return False
    try:
        os.kill(other.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return bool(other.started) and _started(other.pid) != other.started


def _holder(stored: StoredObject) -> Holder | None:
    try:
        return msgspec.json.decode(stored.data, type=Holder)
    except msgspec.MsgspecError:
        return None


def _machine() -> str:
    boot = _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else ""
    processes = _PROCESSES.readlink().name if _PROCESSES.is_symlink() else ""
    return f"{socket.gethostname()}/{boot}/{processes}"


def _started(pid: int) -> str:
    """When a process began, in ticks since the machine's start; the 22nd field of Linux's `stat`."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
