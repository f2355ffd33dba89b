"""Verification finds what is wrong, names it, and is content with what is right."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import duckdb
import pytest

from services.backfill.verify import Verdict, VerifyEnvironment, verify
from shared.urls import path_of
from shared.warehouse import open_warehouse
from tests.backfill.agency import Agency, agency

TABLES = ["companies", "people", "projects", "payments"]


@pytest.fixture
async def crawled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Agency]:
    async with agency(tmp_path, monkeypatch, tables__only=TABLES) as opened:
        await opened.crawl()
        yield opened


async def verdicts(opened: Agency) -> dict[str, Verdict]:
    warehouse = await open_warehouse(opened.world.settings.warehouse_url, read_only=True)
    env = VerifyEnvironment(
        client=opened.client,
        warehouse=warehouse,
        checkpoints=opened.world.checkpoints,
        tables=opened.world.tables,
        rng=random.Random(1),
        sample=200,
    )
    try:
        return {verdict.table: verdict for verdict in await verify(env)}
    finally:
        await warehouse.close()


def tamper(opened: Agency, statement: str) -> None:
    with duckdb.connect(str(path_of(opened.world.settings.warehouse_url))) as connection:
        connection.execute(statement)


async def test_a_warehouse_that_equals_productive_is_right(crawled: Agency) -> None:
    found = await verdicts(crawled)
    assert found.keys() == set(TABLES)
    for name, verdict in found.items():
        count = crawled.sandbox.organization.count(name)
        assert verdict.right
        assert (verdict.in_productive, verdict.in_warehouse) == (count, count)
        assert verdict.sampled == min(count, 400)


async def test_a_row_that_was_altered_is_named_with_its_columns(crawled: Agency) -> None:
    victim = crawled.sandbox.organization.ids("people")[0]
    tamper(crawled, f"update people set first_name = 'Nobody', created_at = null where id = '{victim}'")
    verdict = (await verdicts(crawled))["people"]
    assert not verdict.right
    [row] = verdict.different
    assert (row.id, row.columns, row.newer) == (victim, ("created_at", "first_name"), False)


async def test_rows_that_are_missing_or_too_many_are_named(crawled: Agency) -> None:
    gone = crawled.sandbox.organization.ids("companies")[1]
    tamper(crawled, f"delete from companies where id = '{gone}'")
    tamper(crawled, "insert into companies (id) values ('invented')")
    verdict = (await verdicts(crawled))["companies"]
    assert (verdict.missing, verdict.extra) == ((gone,), ("invented",))


async def test_a_row_that_changed_in_productive_since_is_told_apart(crawled: Agency) -> None:
    victim = crawled.sandbox.organization.ids("projects")[0]
    crawled.sandbox.organization.put("projects", victim, attributes={"name": "Renamed"})
    [row] = (await verdicts(crawled))["projects"].different
    assert (row.id, row.newer) == (victim, True)
    assert "name" in row.columns


async def test_a_table_that_cannot_be_read_is_not_a_difference(crawled: Agency) -> None:
    crawled.sandbox.faults.unavailable = {"payments": (403, "forbidden")}
    verdict = (await verdicts(crawled))["payments"]
    assert verdict.right
    assert verdict.unavailable
