"""Only a complete walk of a whole table is compared, with all ids that it saw, by whichever process."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.backfill.checkpoint import Status, TableCheckpoint
from services.backfill.crawl import CrawlOutcome, crawl
from services.backfill.environment import ComparisonOutcome
from services.backfill.plan import Mode, Scope
from services.backfill.progress import Silent
from services.backfill.seen import IdSet, SeenIds
from services.backfill.summary import summarize
from services.cli.render.progress import describe
from services.sandbox import SandboxSettings
from shared.catalog.selection import SelectedTable
from shared.errors import StorageError
from tests.backfill.agency import Agency, agency

TABLES = ["tasks", "time_entries", "services", "comments"]
FULL = Scope(Mode.FULL)


class Ledger:
    """A comparison that notes what it is asked, and finds what it is told to."""

    def __init__(self) -> None:
        self.seen: dict[str, IdSet] = {}
        self.started: dict[str, int] = {}
        self.finds = ComparisonOutcome()
        self.fails = False

    async def compare(
        self, table: SelectedTable, seen: SeenIds, run_id: str, started_us: int
    ) -> ComparisonOutcome:
        self.seen[table.name] = await seen.all()
        self.started[table.name] = started_us
        if self.fails:
            raise StorageError("the disk is gone")
        return self.finds


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
async def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Agency]:
    settings = SandboxSettings(
        people=3, bulk={"time_entries": 400}, today=datetime.now(UTC).date() - timedelta(days=2)
    )
    async with agency(tmp_path, monkeypatch, settings, tables__only=TABLES) as started:
        yield started


async def read(opened: Agency, ledger: Ledger | None, scope: Scope | None = None) -> CrawlOutcome:
    env = dataclasses.replace(opened.world.backfill(opened.client, Silent()), comparison=ledger)
    return await crawl(env, scope=scope)


def one(outcome: CrawlOutcome, name: str) -> TableCheckpoint:
    return next(table for table in outcome.tables if table.table == name)


def fail_after_one_page(opened: Agency) -> None:
    served = 0

    def server_error(asked_for: str) -> int | None:
        nonlocal served
        served += asked_for == "time_entries"
        return 503 if asked_for == "time_entries" and served > 1 else None

    vars(opened.sandbox.faults)["server_error"] = server_error


async def kept(opened: Agency) -> list[str]:
    return [name for name in await opened.world.objects.list("organizations/") if "/seen/" in name]


def is_all_of(ids: IdSet, opened: Agency, name: str) -> bool:
    there = opened.sandbox.organization.ids(name)
    return len(ids) == len(there) and all(id_ in ids for id_ in there)


async def test_after_a_complete_walk_every_id_is_known_and_then_forgotten(
    opened: Agency, ledger: Ledger
) -> None:
    outcome = await read(opened, ledger)
    assert all(is_all_of(ledger.seen[name], opened, name) for name in TABLES)
    assert all(ledger.started[name] == one(outcome, name).first_us for name in TABLES)
    assert await kept(opened) == []


async def test_changes_alone_are_not_compared(opened: Agency, ledger: Ledger) -> None:
    await read(opened, ledger)
    ledger.seen.clear()
    await read(opened, ledger)
    assert ledger.seen.keys() == {"comments"}


async def test_a_walk_that_is_resumed_has_seen_what_came_before(opened: Agency, ledger: Ledger) -> None:
    fail_after_one_page(opened)
    assert not (await read(opened, ledger)).complete
    assert "time_entries" not in ledger.seen
    assert await kept(opened) != []
    vars(opened.sandbox.faults).pop("server_error")
    opened.sandbox.forget_requests()
    outcome = await read(opened, ledger)
    assert outcome.resumed
    pages = -(-opened.sandbox.organization.count("time_entries") // 200)
    assert len(opened.sandbox.requests) < pages
    assert is_all_of(ledger.seen["time_entries"], opened, "time_entries")
    assert await kept(opened) == []


async def test_a_walk_whose_beginning_was_read_without_a_comparison_is_not_compared(
    opened: Agency, ledger: Ledger
) -> None:
    fail_after_one_page(opened)
    assert not (await read(opened, None)).complete
    vars(opened.sandbox.faults).pop("server_error")
    outcome = await read(opened, ledger)
    assert outcome.resumed
    assert one(outcome, "time_entries").status is Status.DONE
    assert "time_entries" not in ledger.seen
    await read(opened, ledger, FULL)
    assert is_all_of(ledger.seen["time_entries"], opened, "time_entries")


async def test_a_walk_that_goes_on_without_a_comparison_is_not_compared_later(
    opened: Agency, ledger: Ledger
) -> None:
    for comparison in (ledger, None, ledger):
        fail_after_one_page(opened)
        assert not (await read(opened, comparison)).complete
        vars(opened.sandbox.faults).pop("server_error")
    assert (await read(opened, ledger)).complete
    assert "time_entries" not in ledger.seen


async def test_a_comparison_that_fails_is_made_again_with_all_that_was_seen(
    opened: Agency, ledger: Ledger
) -> None:
    ledger.fails = True
    with pytest.raises(StorageError):
        await read(opened, ledger)
    ledger.fails = False
    outcome = await read(opened, ledger)
    assert outcome.resumed
    assert outcome.complete
    assert all(is_all_of(ledger.seen[name], opened, name) for name in TABLES)


async def test_what_an_abandoned_run_saw_is_forgotten(opened: Agency, ledger: Ledger) -> None:
    fail_after_one_page(opened)
    await read(opened, ledger)
    removed = opened.sandbox.organization.ids("time_entries")[0]
    opened.sandbox.organization.remove("time_entries", removed)
    vars(opened.sandbox.faults).pop("server_error")
    await read(opened, ledger, FULL)
    assert removed not in ledger.seen["time_entries"]
    assert await kept(opened) == []


async def test_an_unavailable_table_is_not_compared(opened: Agency, ledger: Ledger) -> None:
    opened.sandbox.faults.unavailable = {"tasks": (403, "forbidden")}
    await read(opened, ledger)
    assert ledger.seen.keys() == set(TABLES) - {"tasks"}


async def test_a_list_that_kept_changing_is_not_compared(opened: Agency, ledger: Ledger) -> None:
    opened.sandbox.faults.no_cursor = {"time_entries"}
    organization, answer = opened.sandbox.organization, opened.sandbox.faults.server_error

    def server_error(asked_for: str) -> int | None:
        organization.put("time_entries")
        return answer(asked_for)

    vars(opened.sandbox.faults)["server_error"] = server_error
    outcome = await read(opened, ledger)
    assert not one(outcome, "time_entries").settled
    assert ledger.seen.keys() == set(TABLES) - {"time_entries"}
    assert await kept(opened) == []


async def test_what_came_of_a_comparison_is_told(opened: Agency, ledger: Ledger) -> None:
    ledger.finds = ComparisonOutcome(deleted=12, held_back=3, reason="too many")
    outcome = await read(opened, ledger)
    told = summarize(outcome, 0).tables["tasks"]
    assert (told.deleted, told.held_back, told.held_back_reason) == (12, 3, "too many")
    assert "12 rows gone from Productive deleted" in describe(one(outcome, "tasks"))
    assert "held back: too many" in describe(one(outcome, "tasks"))
    assert (await opened.world.checkpoints.table("tasks")) == one(outcome, "tasks")
