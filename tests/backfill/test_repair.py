"""What verification found is mended by id, and only that; deletions have a brake."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import duckdb
import pytest

from services.backfill.brake import Brake
from services.backfill.repair import Repair, RepairEnvironment, repair
from services.backfill.verify import Findings, VerifyEnvironment, examine
from services.cli.pipeline import write_while
from services.writer.environment import WriterTotals
from shared.urls import path_of
from shared.warehouse import open_warehouse
from tests.backfill.agency import Agency, agency

TABLES = ["companies", "people", "projects"]


@pytest.fixture
async def crawled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Agency]:
    async with agency(tmp_path, monkeypatch, tables__only=TABLES) as opened:
        await opened.crawl()
        yield opened


async def found(opened: Agency) -> list[Findings]:
    warehouse = await open_warehouse(opened.world.settings.warehouse_url, read_only=True)
    env = VerifyEnvironment(
        client=opened.client,
        warehouse=warehouse,
        checkpoints=opened.world.checkpoints,
        tables=opened.world.tables,
        rng=random.Random(1),
        sample=None,
    )
    try:
        return await examine(env)
    finally:
        await warehouse.close()


async def repaired(opened: Agency, *, brake: Brake | None = None) -> dict[str, Repair]:
    findings = await found(opened)
    env = RepairEnvironment(
        client=opened.client,
        bus=opened.world.bus,
        codec=opened.world.codec,
        organization_id=opened.sandbox.organization_id,
        run_id="repair",
        tables=opened.world.tables,
        brake=brake or Brake(),
    )
    repairs = await write_while(opened.world, WriterTotals(), lambda: repair(env, findings))
    return {one.table: one for one in repairs}


def tamper(opened: Agency, statement: str) -> None:
    with duckdb.connect(str(path_of(opened.world.settings.warehouse_url))) as connection:
        connection.execute(statement)


async def test_what_is_right_is_left_alone(crawled: Agency) -> None:
    assert await repaired(crawled) == {}


async def test_rows_that_differ_are_missing_or_too_many_are_mended(crawled: Agency) -> None:
    altered, gone = crawled.sandbox.organization.ids("companies")[:2]
    tamper(crawled, f"update companies set name = 'Wrong' where id = '{altered}'")
    tamper(crawled, f"delete from companies where id = '{gone}'")
    tamper(
        crawled,
        "insert into people (id, _version_changed, _version_observed) values ('99999999', 1, 1)",
    )
    repairs = await repaired(crawled)
    assert repairs["companies"] == Repair(table="companies", reread=2)
    assert repairs["people"] == Repair(table="people", deleted=1)
    assert all(one.verdict.right for one in await found(crawled))
    assert await crawled.differences() == []


async def test_a_row_with_a_version_from_the_future_is_mended(crawled: Agency) -> None:
    victim = crawled.sandbox.organization.ids("people")[0]
    tamper(
        crawled,
        "update people set first_name = 'Wrong', _version_changed = _version_changed + 3600000000"
        f" where id = '{victim}'",
    )
    await repaired(crawled)
    assert all(one.verdict.right for one in await found(crawled))


async def test_a_deletion_that_was_wrong_is_undone(crawled: Agency) -> None:
    victim = crawled.sandbox.organization.resource("people", crawled.sandbox.organization.ids("people")[0])
    crawled.sandbox.organization.remove("people", victim["id"])
    await crawled.crawl()
    await repaired(crawled)
    assert await crawled.differences() == []
    crawled.sandbox.organization.put("people", victim["id"], attributes=victim["attributes"])
    assert (await repaired(crawled))["people"].reread == 1
    assert all(one.verdict.right for one in await found(crawled))


async def test_more_deletions_than_the_brake_allows_are_left_to_a_person(crawled: Agency) -> None:
    *_, one, other = crawled.sandbox.organization.ids("companies")
    crawled.sandbox.organization.remove("companies", one)
    crawled.sandbox.organization.remove("companies", other)
    held = (await repaired(crawled, brake=Brake(share=0.0, rows=1)))["companies"]
    assert (held.deleted, held.left) == (0, 2)
    assert "too many to be deleted unasked" in held.problem
    assert (await repaired(crawled))["companies"].deleted == 2
    assert all(one.verdict.right for one in await found(crawled))


async def test_a_row_that_no_list_shows_and_that_is_there_is_no_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with agency(tmp_path, monkeypatch, tables__only=["bookings"]) as opened:
        draft = opened.sandbox.organization.ids("bookings")[0]
        opened.sandbox.organization.put("bookings", draft, attributes={"draft": True})
        await opened.crawl()
        opened.sandbox.faults.refused_params = {"bookings": {"filter[with_draft]"}}
        [findings] = await found(opened)
        assert findings.verdict.right
        assert findings.verdict.unlisted_count >= 1
        assert draft not in findings.extra
        assert await repaired(opened) == {}


async def test_a_table_that_fails_does_not_keep_the_others_from_being_mended(crawled: Agency) -> None:
    for name in ("companies", "projects"):
        victim = crawled.sandbox.organization.ids(name)[0]
        tamper(crawled, f"update {name} set name = 'Wrong' where id = '{victim}'")
    findings = await found(crawled)
    crawled.sandbox.faults.errors_5xx = {"projects": 1_000}
    env = RepairEnvironment(
        client=crawled.client,
        bus=crawled.world.bus,
        codec=crawled.world.codec,
        organization_id=crawled.sandbox.organization_id,
        run_id="repair",
        tables=crawled.world.tables,
    )
    repairs = await write_while(crawled.world, WriterTotals(), lambda: repair(env, findings))
    by_table = {one.table: one for one in repairs}
    assert by_table["companies"].reread == 1
    assert by_table["projects"].left == 1
    assert by_table["projects"].problem
