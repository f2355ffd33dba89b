"""One holder at a time, and a dead one does not block for ever."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from shared.clock import ManualClock, SystemClock
from shared.errors import BusyError, StorageError, UnreachableError
from shared.objects import Generation, Objects, machine, open_objects
from shared.objects.lease import LEASE_SECONDS, Holder, hold_lease, is_held
from shared.objects.machine import started, this_machine
from shared.urls import url_of

NAME = "organizations/42/crawl.lease"


@pytest.fixture
async def objects(tmp_path: Path) -> AsyncIterator[Objects]:
    opened = await open_objects(url_of("file", tmp_path / "objects"))
    yield opened
    await opened.close()


async def test_a_second_holder_is_refused_at_once_and_let_in_after_the_first(objects: Objects) -> None:
    clock = SystemClock()
    async with hold_lease(objects, NAME, clock, what="a crawl"):
        with pytest.raises(BusyError, match=f"a crawl is already running .process {os.getpid()}"):
            async with hold_lease(objects, NAME, clock, what="a crawl"):
                pytest.fail("two hold one lease")
    async with hold_lease(objects, NAME, clock, what="a crawl"):
        pass


async def test_a_holder_that_was_killed_on_this_machine_is_taken_over_at_once(tmp_path: Path) -> None:
    url = url_of("file", tmp_path / "objects")
    program = f"""
import asyncio, os
from shared.clock import SystemClock
from shared.objects import open_objects
from shared.objects.lease import hold_lease
async def main():
    async with hold_lease(await open_objects({url!r}), {NAME!r}, SystemClock(), what="a crawl"):
        os.kill(os.getpid(), 9)
asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
    assert await process.wait() == -9
    objects = await open_objects(url)
    clock = ManualClock()
    async with hold_lease(objects, NAME, clock, what="a crawl"):
        assert clock.slept in ([], [LEASE_SECONDS / 3])
    await objects.close()


async def test_a_holder_elsewhere_that_no_longer_renews_is_taken_over_after_its_time(
    objects: Objects,
) -> None:
    await objects.write(NAME, msgspec.json.encode(Holder("another", "another machine", 1)))
    clock = ManualClock()
    async with hold_lease(objects, NAME, clock, what="a crawl"):
        assert sum(clock.slept) >= LEASE_SECONDS


async def test_another_process_with_the_number_of_a_dead_holder_is_not_taken_for_it(
    objects: Objects,
) -> None:
    async with hold_lease(objects, NAME, SystemClock(), what="a crawl"):
        stored = await objects.read(NAME)
    assert stored is not None
    mine = msgspec.json.decode(stored.data, type=Holder)
    assert mine.pid == os.getpid()
    earlier = msgspec.structs.replace(mine, owner="another", started="1")
    await objects.write(NAME, msgspec.json.encode(earlier))
    clock = _Stepping()
    async with hold_lease(objects, NAME, clock, what="a crawl"):
        pass


async def test_a_renewal_that_fails_does_not_stop_the_holder(objects: Objects) -> None:
    broken = _Broken(objects)
    clock = _Stepping()
    async with hold_lease(broken, NAME, clock, what="a crawl"):
        broken.full = True
        clock.wake.set()
        await broken.met.wait()
    assert broken.refused == 2, "neither the renewal nor the return of the lease went through"


class _Broken:
    """Objects on a disk that fills up."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self.full = False
        self.refused = 0
        self.met = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._objects, name)

    async def compare_and_set(self, name: str, data: bytes, expected: Generation | None) -> Any:
        if self.full:
            self.refused += 1
            self.met.set()
            raise StorageError("the disk is full")
        return await self._objects.compare_and_set(name, data, expected)


class _Renewing(ManualClock):
    """While we wait, the other machine renews its lease."""

    def __init__(self, objects: Objects) -> None:
        super().__init__()
        self._objects = objects

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        holder = Holder("another", "another machine", 1, renewals=len(self.slept))
        await self._objects.write(NAME, msgspec.json.encode(holder))


async def test_a_holder_elsewhere_that_renews_is_respected(objects: Objects) -> None:
    await objects.write(NAME, msgspec.json.encode(Holder("another", "another machine", 1)))
    with pytest.raises(BusyError, match="already running on another machine"):
        async with hold_lease(objects, NAME, _Renewing(objects), what="a crawl"):
            pytest.fail("the lease was taken from a living holder")


class _Stepping(SystemClock):
    """Sleeps until it is told to wake, once for each time."""

    def __init__(self) -> None:
        self.wake = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        await self.wake.wait()
        self.wake.clear()


async def test_a_holder_whose_lease_was_taken_over_is_stopped(objects: Objects) -> None:
    clock = _Stepping()

    async def work() -> None:
        async with hold_lease(objects, NAME, clock, what="a crawl"):
            await objects.write(NAME, msgspec.json.encode(Holder("another", "another machine", 1)))
            clock.wake.set()
            await asyncio.Event().wait()

    with pytest.raises(BusyError, match="another process has taken over a crawl"):
        await work()
    stored = await objects.read(NAME)
    assert stored is not None
    assert b"another machine" in stored.data


async def test_nonsense_in_the_lease_is_nobody(objects: Objects) -> None:
    await objects.write(NAME, b"not a lease")
    async with hold_lease(objects, NAME, SystemClock(), what="a crawl"):
        pass


def as_here(**changes: Any) -> Holder:
    """A holder that looks like this very process."""
    here = Holder("another", this_machine(), os.getpid(), started(os.getpid()))
    return msgspec.structs.replace(here, **changes)


NOBODY = 2**22 + 1
"""No process has this number: Linux gives none above 2**22."""


@pytest.mark.parametrize("variable", ["K_SERVICE", "CLOUD_RUN_JOB", "CLOUD_RUN_WORKER_POOL"])
async def test_a_container_on_cloud_run_that_looks_like_this_one_is_not_taken_for_it(
    objects: Objects, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    gone_if_it_were_here = as_here(pid=NOBODY)
    assert gone_if_it_were_here.machine
    await objects.write(NAME, msgspec.json.encode(gone_if_it_were_here))
    assert not await is_held(objects, NAME)
    monkeypatch.setenv(variable, "productive-backfill")
    assert this_machine() == ""
    for recorded in (gone_if_it_were_here.machine, ""):
        await objects.write(NAME, msgspec.json.encode(as_here(pid=NOBODY, machine=recorded)))
        assert await is_held(objects, NAME)
        with pytest.raises(BusyError, match="already running elsewhere"):
            async with hold_lease(objects, NAME, _Renewing(objects), what="a crawl"):
                pytest.fail("the lease was taken from a living holder")
        clock = ManualClock()
        async with hold_lease(objects, NAME, clock, what="a crawl"):
            assert sum(clock.slept) >= LEASE_SECONDS


async def test_a_machine_without_a_boot_id_is_none_that_is_known(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(machine, "_PROC", tmp_path)
    assert this_machine() == ""
    (tmp_path / "sys/kernel/random").mkdir(parents=True)
    (tmp_path / "sys/kernel/random/boot_id").write_text("b007\n")
    assert this_machine() == ""
    (tmp_path / "self/ns").mkdir(parents=True)
    (tmp_path / "self/ns/pid").symlink_to("pid:[4026531836]")
    assert this_machine().endswith("/b007/pid:[4026531836]")
    (tmp_path / "sys/kernel/random/boot_id").write_text("\n")
    assert this_machine() == ""


@pytest.mark.parametrize(("address", "known"), [(0xACDE48001122, True), (0x010203040506, False)])
def test_a_mac_is_known_by_its_network_address(
    monkeypatch: pytest.MonkeyPatch, address: int, known: bool
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr("uuid.getnode", lambda: address)
    assert bool(this_machine()) is known


async def test_what_this_process_let_go_of_without_being_able_to_say_so_is_free_again(
    objects: Objects,
) -> None:
    broken = _Broken(objects)
    async with hold_lease(broken, NAME, SystemClock(), what="a crawl"):
        broken.full = True
    assert broken.refused == 1
    clock = ManualClock()
    async with hold_lease(objects, NAME, clock, what="a crawl"):
        assert clock.slept in ([], [LEASE_SECONDS / 3])


class _Forgetful:
    """Objects whose conditional writes are carried out and not answered, as long as `silent`."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self.silent = False
        self.wrote = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._objects, name)

    async def compare_and_set(self, name: str, data: bytes, expected: Generation | None) -> Any:
        generation = await self._objects.compare_and_set(name, data, expected)
        self.wrote.set()
        if self.silent and generation is not None:
            raise UnreachableError("no answer")
        return generation


async def renewals(objects: Objects) -> int:
    stored = await objects.read(NAME)
    assert stored is not None
    return msgspec.json.decode(stored.data, type=Holder).renewals


async def test_a_renewal_that_was_carried_out_unanswered_does_not_look_like_a_takeover(
    objects: Objects,
) -> None:
    forgetful, clock = _Forgetful(objects), _Stepping()
    async with hold_lease(forgetful, NAME, clock, what="a crawl"):
        for number, silent in enumerate([True, True, False, True], start=1):
            forgetful.silent = silent
            forgetful.wrote.clear()
            clock.wake.set()
            while await renewals(objects) < number:
                await forgetful.wrote.wait()
        forgetful.silent = False
    stored = await objects.read(NAME)
    assert stored is not None
    assert stored.data == b"", "the lease was given back"


async def test_a_takeover_is_seen_although_the_renewal_before_was_not_answered(objects: Objects) -> None:
    forgetful, clock = _Forgetful(objects), _Stepping()

    async def work() -> None:
        async with hold_lease(forgetful, NAME, clock, what="a crawl"):
            forgetful.silent = True
            forgetful.wrote.clear()
            clock.wake.set()
            await forgetful.wrote.wait()
            forgetful.silent = False
            await objects.write(NAME, msgspec.json.encode(Holder("another", "another machine", 1)))
            while True:
                clock.wake.set()
                await asyncio.sleep(0)

    with pytest.raises(BusyError, match="another process has taken over a crawl"):
        await work()
