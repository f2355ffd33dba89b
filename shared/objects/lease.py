"""One of a kind at a time (a crawl, an embedded writer): a lease in the objects store, renewed while held.

A holder that was killed leaves its lease behind. On the same machine that is seen at once (its process
is gone); otherwise, and wherever it cannot be known for sure that the machine is the same, the lease is
watched, and taken over when nobody renews it for as long as it lasts.
No clock of another machine is trusted: only whether the object changes while we look.

A lease is written every `LEASE_SECONDS / 3`, far from the once a second that Cloud Storage allows. A write
that failed may have been carried out all the same: whose lease it is, its content tells.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
from collections.abc import AsyncIterator

import msgspec

from shared.clock import Clock
from shared.errors import BusyError, IngestError
from shared.objects.machine import started, this_machine
from shared.objects.port import Generation, Objects, StoredObject

LEASE_SECONDS = 30.0
_GIVING_BACK_SECONDS = 5.0

_held: set[str] = set()
"""The owners in this process: one that is not among them has let go, whatever the object says."""

log = logging.getLogger(__name__)


class Holder(msgspec.Struct, frozen=True):
    """Who holds a lease.

    `owner` is unique to one acquisition; for `machine` and `started` see `shared.objects.machine`, both are
    empty where they cannot be known.
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
    holder = Holder(secrets.token_hex(8), this_machine(), os.getpid(), started(os.getpid()))
    _held.add(holder.owner)
    try:
        generation = await _acquire(objects, name, holder, clock, what)
        async with _kept(_Lease(objects, name, holder, generation), clock, what):
            yield
    finally:
        _held.discard(holder.owner)


@contextlib.asynccontextmanager
async def _kept(lease: _Lease, clock: Clock, what: str) -> AsyncIterator[None]:
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
                lost = not await lease.renew()
        if not leaving:
            body.cancel()

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
            await lease.give_back()


class _Lease:
    """A lease that was acquired, for as long as it is not lost."""

    def __init__(self, objects: Objects, name: str, holder: Holder, generation: Generation) -> None:
        self._objects = objects
        self._name = name
        self._holder = holder
        self._generation = generation

    async def renew(self) -> bool:
        """Whether it is still ours; True as well when that cannot be found out.

        Whether it is lost shows the next time; until then the body may know better what to do.
        """
        self._holder = msgspec.structs.replace(self._holder, renewals=self._holder.renewals + 1)
        try:
            async with asyncio.timeout(LEASE_SECONDS / 3):
                return await self._write(msgspec.json.encode(self._holder))
        except (IngestError, TimeoutError) as error:
            log.warning("the lease %s could not be renewed: %s", self._name, str(error) or "no answer")
            return True

    async def give_back(self) -> None:
        """Empty it rather than delete it: only whoever still holds it can do so.

        If it cannot be given back, its time does that, and the body's own error must not be hidden.
        """
        with contextlib.suppress(IngestError, TimeoutError):
            async with asyncio.timeout(_GIVING_BACK_SECONDS):
                await self._write(b"")

    async def _write(self, data: bytes) -> bool:
        expected = self._generation
        for _ in range(3):
            written = await self._objects.compare_and_set(self._name, data, expected)
            if written is not None:
                self._generation = written
                return True
            there = await self._objects.read(self._name)
            holder = _holder(there) if there is not None else None
            if there is None or holder is None or holder.owner != self._holder.owner:
                return False
            # An earlier renewal of ours, which failed for all we knew, was carried out.
            expected = there.generation
        return False


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
    if other is not None and _is_here(other):
        raise BusyError(f"{what} is already running (process {other.pid})", advice=advice)
    waited = 0.0
    while waited < LEASE_SECONDS:
        await clock.sleep(1.0)
        waited += 1.0
        now = await objects.read(name)
        if now is not None and now.generation != seen.generation:
            known = other is not None and other.machine and this_machine()
            where = "on another machine" if known else "elsewhere"
            raise BusyError(f"{what} is already running {where}", advice=advice)


def _is_gone(stored: StoredObject) -> bool:
    """Whether the holder certainly does not live any more."""
    other = _holder(stored)
    if other is None:
        return True
    if not _is_here(other):
        return False
    if other.pid == os.getpid() and other.started == started(os.getpid()):
        return other.owner not in _held
    try:
        os.kill(other.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return bool(other.started) and started(other.pid) != other.started


def _holder(stored: StoredObject) -> Holder | None:
    try:
        return msgspec.json.decode(stored.data, type=Holder)
    except msgspec.MsgspecError:
        return None


def _is_here(holder: Holder) -> bool:
    """Whether the holder is certainly on this machine, so that its process can be looked for."""
    here = this_machine()
    return bool(here) and holder.machine == here
