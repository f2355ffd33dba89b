"""Verification finds what is wrong, names it, and is content with what is right."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from services.backfill.verify import Verdict, VerifyEnvironment, verify
from shared.record.keepout import NothingKeptOut
from shared.urls import path_of
from shared.warehouse import open_warehouse
from tests.backfill.agency import Agency, agency

TABLES = ["companies", "people", "projects", "payments"]


@pytest.fixture
async def crawled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Agency]:
    async with agency(tmp_path, monkeypatch, tables__only=TABLES) as opened:
        await opened.crawl()
        yield opened


async def verdicts(opened: Agency, **options: Any) -> dict[str, Verdict]:
    warehouse = await open_warehouse(opened.world.settings.warehouse_url, read_only=True)
    env = VerifyEnvironment(
        client=opened.client,
        warehouse=warehouse,
        checkpoints=opened.world.checkpoints,
        tables=opened.world.tables,
        rng=random.Random(1),
        **{"sample": 200, **options},
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


async def test_what_productive_did_not_give_is_no_difference(crawled: Agency) -> None:
    tamper(crawled, "update companies set custom_field_people_ids = ['1']")
    crawled.sandbox.faults.refused_includes = {"projects": {"company"}}
    found = await verdicts(crawled)
    assert found["companies"].right
    assert found["projects"].right


async def test_a_reference_that_productive_gives_as_none_is_compared(crawled: Agency) -> None:
    organization = crawled.sandbox.organization
    victim = next(
        one["id"] for one in organization.resources("people") if not one["relationships"]["manager"]["data"]
    )
    tamper(crawled, f"update people set manager_id = '1' where id = '{victim}'")
    [row] = (await verdicts(crawled))["people"].different
    assert (row.id, row.columns) == (victim, ("manager_id",))


async def test_a_value_that_did_not_fit_is_compared_as_it_came(crawled: Agency) -> None:
    first, other = crawled.sandbox.organization.ids("people")[:2]
    crawled.sandbox.faults.overrides = {("people", first): {"created_at": "soon"}}
    kept = '{"created_at":"soon"}'
    tamper(crawled, f"update people set created_at = null, _unparsed = '{kept}' where id = '{first}'")
    assert (await verdicts(crawled))["people"].right
    tamper(crawled, f"update people set _unparsed = '{{\"created_at\":\"late\"}}' where id = '{first}'")
    tamper(crawled, f"update people set _unparsed = '{{\"nobody_knows\":1}}' where id = '{other}'")
    [row] = (await verdicts(crawled))["people"].different
    assert (row.id, row.columns) == (first, ("created_at",))


async def test_all_rows_can_be_compared(crawled: Agency) -> None:
    *_, last = crawled.sandbox.organization.ids("projects")
    tamper(crawled, f"update projects set name = 'Another' where id = '{last}'")
    tamper(crawled, "insert into companies (id) values ('invented')")
    gone = crawled.sandbox.organization.ids("people")[0]
    tamper(crawled, f"delete from people where id = '{gone}'")
    found = await verdicts(crawled, sample=None)
    for name in TABLES:
        assert found[name].sampled == crawled.sandbox.organization.count(name)
    assert [row.id for row in found["projects"].different] == [last]
    assert found["companies"].extra == ("invented",)
    assert found["people"].missing == (gone,)
    assert found["payments"].right


@pytest.mark.parametrize("sample", [200, None])
async def test_what_is_kept_out_is_not_missing(crawled: Agency, sample: int | None) -> None:
    gone = crawled.sandbox.organization.ids("companies")[1]
    tamper(crawled, f"delete from companies where id = '{gone}'")

    class OneKeptOut(NothingKeptOut):
        def holds(self, table: str, record_id: str, /) -> bool:
            return (table, record_id) == ("companies", gone)

    assert not (await verdicts(crawled, sample=sample))["companies"].right
    assert (await verdicts(crawled, sample=sample, keep_out=OneKeptOut()))["companies"].right


async def test_a_selected_column_that_the_table_lacks_is_a_difference(crawled: Agency) -> None:
    tamper(crawled, "alter table companies drop column name")
    verdict = (await verdicts(crawled))["companies"]
    assert {row.columns for row in verdict.different} == {("name",)}
