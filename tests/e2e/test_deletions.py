"""What is deleted in Productive without a word about it is gone after a crawl, and no more than that."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from shared.errors import ExitCode
from tests.e2e.agency_live import Live, living

TABLES = ("tasks", "comments", "people", "time_entries")


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[Live]:
    async with living(tmp_path, people=3) as live:
        live.home.only(*TABLES)
        (await live.run("backfill")).ok()
        yield live


def remove(live: Live, table: str, share: float) -> list[str]:
    """Delete a share of a table, of which no webhook tells."""
    ids = live.sandbox.organization.ids(table)
    gone = ids[: max(1, int(len(ids) * share))]
    for id_ in gone:
        live.sandbox.organization.remove(table, id_)
    return gone


def assert_same_ids(live: Live, *tables: str) -> None:
    for table in tables:
        assert set(live.home.rows(table)) == set(live.sandbox.organization.ids(table)), table


async def verified(live: Live) -> Any:
    return (await live.run("verify", "--json")).ok().json


async def test_a_full_crawl_deletes_what_is_gone_and_verify_agrees(live: Live) -> None:
    gone = {table: remove(live, table, 0.1) for table in ("comments", "people")}
    summary = (await live.run("backfill", "--full", "--json")).ok().json
    for table, ids in gone.items():
        assert summary["tables"][table]["deleted"] == len(ids)
        assert summary["tables"][table]["held_back"] == 0
    assert_same_ids(live, *TABLES)
    assert (await verified(live))["right"]


async def test_the_next_crawl_of_changes_takes_deletions_and_restorations_from_the_recycle_bin(
    live: Live,
) -> None:
    gone = remove(live, "tasks", 0.1)
    first = (await live.run("backfill", "--json")).ok().json
    assert first["tables"]["tasks"]["changed_since"]
    assert first["recycle_bin"] == {"deleted": len(gone), "restored": 0, "problem": ""}
    assert_same_ids(live, "tasks")
    live.sandbox.organization.restore("tasks", gone[0])
    second = (await live.run("backfill", "--json")).ok().json
    assert second["recycle_bin"] == {"deleted": 0, "restored": 1, "problem": ""}
    assert_same_ids(live, "tasks")


async def test_a_table_that_seems_to_be_half_gone_stays_until_a_person_confirms_it(live: Live) -> None:
    before = set(live.home.rows("time_entries"))
    gone = remove(live, "time_entries", 0.5)
    # The bin would tell of them one by one, and is believed.
    live.sandbox.faults.unavailable = {"deleted_items": (403, "forbidden")}
    told = (await live.run("backfill", "--full")).ok()
    assert "the recycle bin could not be read" in told.stdout
    assert f"{len(gone):,} of {len(before):,} rows" in told.stdout
    assert "backfill --confirm-deletions time_entries" in told.stdout
    assert set(live.home.rows("time_entries")) == before

    assert "Deletions of time_entries held back" in (await live.run("status")).ok().stdout
    assert "no deletions of 'tasks'" in (await live.run("backfill", "--confirm-deletions", "tasks")).refused(
        2
    )
    summary = (await live.run("backfill", "--confirm-deletions", "time_entries", "--json")).ok().json
    assert list(summary["tables"]) == ["time_entries"]
    assert summary["tables"]["time_entries"]["deleted"] == len(gone)
    assert_same_ids(live, "time_entries")
    assert (await live.run("status", "--json")).ok().json["held_deletions"] == []
    assert (await verified(live))["right"]


async def test_a_list_that_fails_or_is_not_allowed_deletes_nothing(live: Live) -> None:
    before = {table: set(live.home.rows(table)) for table in TABLES}
    remove(live, "comments", 0.1)
    live.sandbox.faults.unavailable = {"comments": (403, "forbidden"), "deleted_items": (403, "forbidden")}
    live.sandbox.faults.redirects = {"people": "https://elsewhere.example"}
    assert (await live.run("backfill", "--full")).code == 1
    for table in TABLES:
        assert set(live.home.rows(table)) == before[table]


async def test_run_deletes_with_its_crawls_and_so_does_a_crawl_beside_it(live: Live) -> None:
    remove(live, "comments", 0.1)
    async with live.running("run", "--every", "1000") as running:
        await until_read(live, "comments")
        remove(live, "comments", 0.1)
        await crawl_beside(live)
        await until_read(live, "comments")
        await live.stop(running)
    assert_same_ids(live, *TABLES)


async def crawl_beside(live: Live) -> None:
    """A full crawl, as soon as the one that runs by itself has ended."""
    for _ in range(60):
        ended = await live.run("backfill", "--full")
        if ended.code != ExitCode.BUSY:
            ended.ok()
            return
    raise AssertionError("the other crawl does not end")


async def until_read(live: Live, table: str) -> None:
    """Return when a query counts as many rows as Productive has."""
    count = len(live.sandbox.organization.ids(table))
    for _ in range(60):
        answer = (await live.run("query", f"SELECT count(*) AS n FROM {table}", "--json")).ok().json
        if answer["rows"] == [[count]]:
            return
    raise AssertionError(f"there are not {count} rows: {answer}")
