"""Checkpoints are written as often as their store allows, and the last one always."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.backfill import checkpoint as checkpoints
from services.backfill.checkpoint import CheckpointStore, Run, Status, TableCheckpoint
from services.backfill.crawl import crawl
from services.backfill.environment import BackfillEnvironment
from services.backfill.plan import Mode, Plan, Scope
from services.backfill.progress import Silent
from services.backfill.seen import SeenIds
from services.cli.pipeline import write_while
from services.sandbox import SandboxSettings
from services.writer.environment import WriterTotals
from shared.clock import ManualClock, SystemClock
from shared.errors import BusyError, StorageError, UnreachableError
from shared.objects import Generation, Objects, open_objects
from shared.productive import Learned
from tests.backfill.agency import Agency, agency
from tests.backfill.paced import PacedObjects, Trouble

TASKS = "organizations/42/tables/tasks.json"
SEEN = "organizations/42/seen/tasks/r"


def at(pages: int, *, status: Status = Status.RUNNING, table: str = "tasks") -> TableCheckpoint:
    return TableCheckpoint(
        table=table,
        run_id="r",
        fingerprint="f",
        plan=Plan(),
        status=status,
        learned=Learned(),
        pages=pages,
        ids_kept=True,
    )


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Objects]:
    objects = await open_objects(f"file://{tmp_path}/objects")
    yield objects
    await objects.close()


@pytest.fixture
def objects(folder: Objects, clock: ManualClock) -> PacedObjects:
    return PacedObjects(folder, clock, pace=1.0)


@pytest.fixture
def store(objects: PacedObjects, clock: ManualClock) -> CheckpointStore:
    return CheckpointStore(objects, "42", clock=clock)


async def stored_pages(objects: Objects, table: str = "tasks") -> int | None:
    checkpoint = await CheckpointStore(objects, "42").table(table)
    return checkpoint.pages if checkpoint else None


async def test_where_nothing_limits_it_each_page_is_kept_at_once(folder: Objects, clock: ManualClock) -> None:
    store = CheckpointStore(folder, "42", clock=clock)
    for pages in range(1, 4):
        await store.save_table(at(pages))
        assert await stored_pages(folder) == pages
    assert clock.slept == []


async def test_pages_that_come_quickly_are_kept_once_a_second(
    store: CheckpointStore, objects: PacedObjects, clock: ManualClock
) -> None:
    kept = []
    for pages in range(1, 26):
        await store.save_table(at(pages))
        kept.append(await stored_pages(objects))
        clock.advance(0.125)
    assert kept == [None] * 8 + [9] * 8 + [17] * 8 + [25]


async def test_pages_that_come_slowly_are_each_kept_at_once(
    store: CheckpointStore, objects: PacedObjects, clock: ManualClock
) -> None:
    await store.save_table(at(1))
    for pages in range(2, 6):
        clock.advance(3)
        await store.save_table(at(pages))
        assert await stored_pages(objects) == pages


@pytest.mark.parametrize("status", [Status.DONE, Status.FAILED, Status.UNAVAILABLE])
async def test_the_end_of_a_table_is_kept_when_its_saving_returns(
    store: CheckpointStore, objects: PacedObjects, clock: ManualClock, status: Status
) -> None:
    await store.save_table(at(1))
    clock.advance(0.3)
    await store.save_table(at(2, status=status))
    assert clock.slept == [], "nothing was written yet, so there is nothing to wait for"
    assert await stored_pages(objects) == 2
    clock.advance(0.25)
    await store.save_table(at(3, status=status))
    assert clock.slept == [0.75]
    assert await stored_pages(objects) == 3


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from([0.0, 0.1, 0.4, 0.7, 1.0, 5.0]), max_size=15))
async def test_a_crash_costs_no_more_than_the_pages_of_about_a_second(
    folder: Objects, gaps: Sequence[float]
) -> None:
    await folder.delete(TASKS)
    clock = ManualClock()
    objects = PacedObjects(folder, clock, pace=1.0)
    store = CheckpointStore(objects, "42", clock=clock)
    saved: list[float] = []
    for pages, gap in enumerate(gaps, start=1):
        clock.advance(gap)
        await store.save_table(at(pages))
        saved.append(clock.monotonic())
        unkept = saved[await stored_pages(folder) or 0 :]
        assert not unkept or unkept[-1] - unkept[0] < 1.0
    await store.save_table(at(len(gaps) + 1, status=Status.DONE))
    assert await stored_pages(folder) == len(gaps) + 1


async def test_the_ids_of_pages_are_safe_before_the_checkpoint_that_counts_them(
    store: CheckpointStore, objects: PacedObjects, clock: ManualClock
) -> None:
    seen = store.seen("r", "tasks")
    for pages in range(1, 12):
        await seen.add([str(pages)])
        await store.save_table(at(pages))
        kept = await stored_pages(objects) or 0
        safe = await SeenIds(objects, SEEN).all()
        assert all(str(page) in safe for page in range(1, kept + 1))
        clock.advance(0.3)
    assert len(await seen.all()) == 11
    assert objects.written[0].startswith(SEEN)
    assert objects.written[1] == TASKS


async def test_what_waits_is_written_when_a_crawl_ends_before_its_tables(
    store: CheckpointStore, objects: PacedObjects
) -> None:
    for table in ("tasks", "deals", "people"):
        await store.seen("r", table).add(["1"])
        await store.save_table(at(7, table=table))
    await store.flush()
    assert [await stored_pages(objects, table) for table in ("tasks", "deals", "people")] == [7, 7, 7]
    assert len(await SeenIds(objects, SEEN).all()) == 1
    written = len(objects.written)
    await store.flush()
    assert len(objects.written) == written


async def test_what_cannot_be_written_at_the_end_is_told_and_nothing_more(
    store: CheckpointStore, objects: PacedObjects, caplog: pytest.LogCaptureFixture
) -> None:
    await store.save_table(at(1))
    await store.save_table(at(1, table="deals"))
    objects.coming.append("before")
    with caplog.at_level(logging.WARNING):
        await store.flush()
    assert "read again by the next crawl: no answer" in caplog.text
    pages = [await stored_pages(objects, table) for table in ("tasks", "deals")]
    assert sorted(pages, key=str) == [1, None]


async def test_a_store_that_hangs_does_not_hold_up_the_end(
    store: CheckpointStore,
    objects: PacedObjects,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def hang(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(checkpoints, "_FLUSH_SECONDS", 0.02)
    monkeypatch.setattr(objects, "compare_and_set", hang)
    await store.save_table(at(1))
    with caplog.at_level(logging.WARNING):
        await store.flush()
    assert "no answer" in caplog.text


# Two processes


@pytest.mark.parametrize("paced", [True, False])
async def test_who_has_been_overtaken_stops(
    folder: Objects, objects: PacedObjects, clock: ManualClock, paced: bool
) -> None:
    store = CheckpointStore(objects if paced else folder, "42", clock=clock)
    await store.save_table(at(1, status=Status.DONE))
    await CheckpointStore(folder, "42").save_table(at(5, status=Status.DONE))
    clock.advance(2)
    with pytest.raises(BusyError, match="another run has taken over"):
        await store.save_table(at(2))
    assert await stored_pages(folder) == 5


@pytest.mark.parametrize("coming", [["after"], ["before"], ["after", "after"], ["before", "after"]])
async def test_a_write_of_our_own_that_was_not_answered_is_not_taken_for_somebody_elses(
    store: CheckpointStore, objects: PacedObjects, clock: ManualClock, coming: list[Trouble]
) -> None:
    await store.save_table(at(1, status=Status.DONE))
    objects.coming.extend(coming)
    for pages in range(2, 2 + len(coming)):
        clock.advance(2)
        with contextlib.suppress(UnreachableError):
            await store.save_table(at(pages))
    objects.least_seconds_between_writes = 0.0
    await store.save_table(at(9, status=Status.FAILED))
    assert await stored_pages(objects) == 9


async def test_a_write_that_was_not_answered_does_not_hide_that_another_leads_now(
    store: CheckpointStore, objects: PacedObjects, folder: Objects, clock: ManualClock
) -> None:
    objects.coming.append("after")
    with pytest.raises(UnreachableError):
        await store.save_table(at(1, status=Status.DONE))
    await CheckpointStore(folder, "42").save_table(at(5, status=Status.DONE))
    clock.advance(2)
    with pytest.raises(BusyError):
        await store.save_table(at(2, status=Status.DONE))


async def test_a_table_that_is_forgotten_begins_anew(
    store: CheckpointStore, objects: PacedObjects, clock: ManualClock
) -> None:
    await store.save_table(at(1, status=Status.DONE))
    clock.advance(2)
    await store.forget_table("tasks")
    assert await store.table("tasks") is None
    await store.save_table(at(1, status=Status.DONE))
    assert await stored_pages(objects) == 1


# The ids that a walk saw, where objects are paced


async def test_ids_whose_keeping_failed_are_kept_under_another_name(folder: Objects) -> None:
    class Failing(PacedObjects):
        async def write(self, name: str, data: bytes) -> Generation:
            self.written.append(name)
            if len(self.written) == 1:
                raise UnreachableError("no answer")
            return await folder.write(name, data)

    objects = Failing(folder, ManualClock(), pace=1.0)
    seen = SeenIds(objects, SEEN, paced=True)
    await seen.add(["1"])
    with pytest.raises(UnreachableError):
        await seen.flush()
    await seen.add(["2"])
    await seen.flush()
    await seen.flush()
    assert len(set(objects.written)) == 2
    assert len(await SeenIds(folder, SEEN).all()) == 2


@pytest.mark.parametrize("paced", [True, False])
async def test_no_object_of_an_earlier_process_is_written_over(folder: Objects, paced: bool) -> None:
    before = {f"{SEEN}.000000": b'["1"]', f"{SEEN}.000003": b'["2"]', f"{SEEN}.ab.000004": b'["3"]'}
    for name, data in before.items():
        await folder.write(name, data)
    seen = SeenIds(folder, SEEN, paced=paced)
    for id_ in ("4", "5"):
        await seen.add([id_])
        await seen.flush()
    for name, data in before.items():
        stored = await folder.read(name)
        assert stored is not None
        assert stored.data == data
    assert len(await SeenIds(folder, SEEN).all()) == 5


async def test_after_clearing_no_name_is_used_again_where_writes_may_be_late(
    folder: Objects, clock: ManualClock
) -> None:
    objects = PacedObjects(folder, clock, pace=1.0)
    seen = SeenIds(objects, SEEN, paced=True)
    for id_ in ("1", "2"):
        await seen.add([id_])
        await seen.flush()
        await seen.clear()
    assert len(set(objects.written)) == 2
    assert len(await seen.all()) == 0


async def test_the_names_of_a_new_run_are_never_asked_for_and_those_of_a_resumed_one_once(
    store: CheckpointStore, objects: PacedObjects, clock: ManualClock
) -> None:
    async def walk(seen: SeenIds) -> int:
        await seen.add(["1"])
        await seen.flush()
        await seen.add(["2"])
        return len(await seen.all())

    await objects.write("organizations/42/seen/tasks/old.ab.000000", b'["3"]')
    await store.forget_seen("r")
    objects.listed.clear()
    seen = store.seen("r", "tasks")
    await seen.clear()
    assert await walk(seen) == 2
    assert objects.listed == []
    assert await objects.list("organizations/42/seen/tasks/old") == []
    objects.listed.clear()
    resumed = store.seen("r", "tasks")
    assert await walk(resumed) == 2
    await resumed.clear()
    assert objects.listed == [f"{SEEN}."]
    assert await objects.list(SEEN) == []


async def test_a_write_that_was_not_answered_makes_the_names_be_asked_for_again(
    folder: Objects, clock: ManualClock
) -> None:
    class Silent(PacedObjects):
        async def write(self, name: str, data: bytes) -> Generation:
            await folder.write(name, data)
            raise UnreachableError("no answer")

    seen = SeenIds(Silent(folder, clock, pace=1.0), SEEN, paced=True, empty=True)
    await seen.add(["1"])
    with pytest.raises(UnreachableError):
        await seen.flush()
    await seen.clear()
    assert await folder.list(SEEN) == []


# Whole crawls


TABLES = ["time_entries", "services", "projects", "comments"]
SANDBOX = SandboxSettings(people=3)


def environment(opened: Agency, objects: PacedObjects, progress: Silent) -> BackfillEnvironment:
    world = dataclasses.replace(opened.world, objects=objects)
    env = world.backfill(opened.client, progress)
    return dataclasses.replace(env, checkpoints=CheckpointStore(objects, env.organization_id))


async def test_a_crawl_keeps_to_the_pace_of_its_store_and_misses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with agency(tmp_path, monkeypatch, SANDBOX, tables__only=TABLES) as opened:
        objects = PacedObjects(opened.world.objects, SystemClock(), pace=0.02)
        for scope in (Scope(), Scope(Mode.FULL)):
            env = environment(opened, objects, Silent())
            outcome = await write_while(
                opened.world,
                WriterTotals(),
                lambda env=env, scope=scope: crawl(env, scope=scope),  # type: ignore[misc]
            )
            assert outcome.complete
            assert any(table.pages > 1 for table in outcome.tables)
        assert await opened.differences() == []


async def test_a_crawl_that_is_cancelled_keeps_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Cancelling(Silent):
        def page_published(self, checkpoint: TableCheckpoint) -> None:
            if checkpoint.table == "time_entries" and checkpoint.pages == 2:
                task.cancel()

    async with agency(tmp_path, monkeypatch, SANDBOX, tables__only=TABLES) as opened:
        # No page is kept for its time: an hour is not over.
        objects = PacedObjects(opened.world.objects, SystemClock(), pace=3_600)
        env = environment(opened, objects, Cancelling())
        task = asyncio.create_task(crawl(env))
        with pytest.raises(asyncio.CancelledError):
            await task
        left = await CheckpointStore(opened.world.objects, env.organization_id).table("time_entries")
        assert left is not None
        assert (left.pages, left.status) == (2, Status.RUNNING)
        outcome = await opened.crawl()
        assert outcome.resumed
        assert await opened.differences() == []


async def test_a_crawl_that_fails_keeps_where_its_other_tables_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(Silent):
        def page_published(self, checkpoint: TableCheckpoint) -> None:
            if checkpoint.table == "time_entries" and checkpoint.pages == 2:
                raise StorageError("the disk is full")

    async with agency(tmp_path, monkeypatch, SANDBOX, tables__only=TABLES) as opened:
        objects = PacedObjects(opened.world.objects, SystemClock(), pace=3_600)
        env = environment(opened, objects, Full())
        with pytest.raises(StorageError, match="the disk is full"):
            await crawl(env)
        left = await CheckpointStore(opened.world.objects, env.organization_id).table("time_entries")
        assert left is not None
        assert left.pages == 2


async def test_the_run_is_kept_at_its_start_and_at_its_end(
    store: CheckpointStore, objects: PacedObjects, clock: ManualClock
) -> None:
    run = Run(id="r", organization_id="42", started_us=1, tables=["tasks"])
    await store.save_run(run)
    assert await CheckpointStore(objects, "42").run() == run
    await store.save_run(run)
    assert clock.slept == [1.0]
