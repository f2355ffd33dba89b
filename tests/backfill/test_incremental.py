"""A crawl after the first reads what has changed, misses nothing, and asks no more than it needs."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.backfill.checkpoint import Status, TableCheckpoint
from services.backfill.crawl import CrawlOutcome, crawl
from services.backfill.plan import Mode, Schedule, Scope
from services.backfill.progress import Silent
from services.cli.pipeline import write_while
from services.sandbox import Faults, SandboxSettings
from services.writer.environment import WriterTotals
from shared.catalog import load_catalog
from shared.clock import MICROSECONDS
from tests.backfill.agency import Agency, agency

WITH_FILTER = [table.name for table in load_catalog().default_tables() if table.change_filter]
BY_FILTER = ["tasks", "time_entries", "services", "companies"]
TABLES = [*BY_FILTER, "projects", "comments"]
EVER = Schedule(full_every_seconds=10**9)


@pytest.fixture
async def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Agency]:
    """An agency whose history ended two days ago, read once."""
    async with agency(tmp_path, monkeypatch, quiet(), tables__only=TABLES) as opened:
        assert (await opened.crawl()).complete
        opened.sandbox.forget_requests()
        yield opened


def quiet(**settings: Any) -> SandboxSettings:
    today = datetime.now(UTC).date() - timedelta(days=2)
    return SandboxSettings(people=3, today=today, **settings)


async def crawl_on(opened: Agency, schedule: Schedule, **options: Any) -> CrawlOutcome:
    env = dataclasses.replace(opened.world.backfill(opened.client, Silent()), schedule=schedule)
    return await write_while(opened.world, WriterTotals(), lambda: crawl(env, **options))


def asked(opened: Agency) -> Counter[str | None]:
    return Counter(request.table for request in opened.sandbox.requests)


def by_name(outcome: CrawlOutcome) -> dict[str, TableCheckpoint]:
    return {table.table: table for table in outcome.tables}


def change(opened: Agency, table: str, count: int = 1) -> None:
    organization = opened.sandbox.organization
    for id_ in organization.ids(table)[:count]:
        organization.put(table, id_)


async def test_changes_of_k_records_cost_k_by_200_requests_and_one_in_every_table_with_a_filter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = quiet(bulk=dict.fromkeys(WITH_FILTER, 250))
    async with agency(tmp_path, monkeypatch, settings, tables__only=WITH_FILTER) as opened:
        await opened.crawl()
        opened.sandbox.forget_requests()
        changed = dict(zip(WITH_FILTER, (0, 1, 200, 201, 3, 7, 1, 0, 2, 5), strict=True))
        for name, count in changed.items():
            change(opened, name, count)
        outcome = await opened.crawl()
        assert {name: table.records for name, table in by_name(outcome).items()} == changed
        for name, count in changed.items():
            assert asked(opened)[name] <= count // 200 + 1
        assert await opened.differences() == []


async def test_new_and_changed_rows_arrive_and_only_they_are_asked_for(loaded: Agency) -> None:
    organization = loaded.sandbox.organization
    organization.put("companies", attributes={"name": "New client"})
    change(loaded, "services", 3)
    change(loaded, "projects", 2)
    tables = by_name(await loaded.crawl())
    assert await loaded.differences() == []
    assert (tables["companies"].records, tables["services"].records) == (1, 3)
    assert all(not tables[name].plan.full for name in (*BY_FILTER, "projects"))
    assert tables["comments"].plan.full
    assert (tables["projects"].pages, tables["projects"].records) == (1, 2)


async def test_what_changes_while_a_crawl_runs_is_found_by_the_next_one(loaded: Agency) -> None:
    for name in ("tasks", "services"):
        change(loaded, name, 2)
        unsettle(loaded, lambda: change(loaded, "time_entries"))
        await loaded.crawl()
        restore(loaded)
    await loaded.crawl()
    assert await loaded.differences() == []


def _refuses_filters(faults: Faults) -> None:
    faults.refused_params = {"*": {"filter[updated_at]", "filter[last_activity_at]"}}


def _refuses_filters_and_sorts(faults: Faults) -> None:
    faults.refused_params = {"*": {"filter[updated_at]", "filter[last_activity_at]", "sort"}}


def _has_no_sorted_cursor(faults: Faults) -> None:
    _refuses_filters(faults)
    faults.no_cursor = {"tasks", "companies"}


def _has_no_cursor(faults: Faults) -> None:
    faults.no_cursor = {"*"}


def _cuts_times(faults: Faults) -> None:
    faults.ignores_feature_flags = True


@pytest.mark.parametrize(
    "switch",
    [_refuses_filters, _refuses_filters_and_sorts, _has_no_sorted_cursor, _has_no_cursor, _cuts_times],
)
async def test_nothing_is_missed_where_the_endpoint_does_not_do_as_it_is_asked(
    loaded: Agency, switch: Callable[[Faults], None]
) -> None:
    switch(loaded.sandbox.faults)
    for name in (*BY_FILTER, "projects"):
        change(loaded, name, 2)
    assert (await loaded.crawl()).complete
    change(loaded, "tasks")
    assert (await loaded.crawl()).complete
    assert await loaded.differences() == []


async def test_a_refused_filter_is_made_up_for_by_the_order_of_changes_and_remembered(
    loaded: Agency,
) -> None:
    _refuses_filters(loaded.sandbox.faults)
    change(loaded, "tasks", 2)
    tables = by_name(await loaded.crawl())
    assert tables["tasks"].plan.sort == "updated_at"
    assert tables["companies"].plan.sort == "last_activity_at"
    assert tables["services"].plan.full
    loaded.sandbox.forget_requests()
    await loaded.crawl()
    assert all(request.status == 200 for request in loaded.sandbox.requests)
    assert asked(loaded)["tasks"] == 1


async def test_what_was_refused_is_tried_again_after_a_while(loaded: Agency) -> None:
    _refuses_filters(loaded.sandbox.faults)
    await loaded.crawl()
    loaded.sandbox.faults.refused_params = {}
    assert by_name(await loaded.crawl())["tasks"].plan.sort
    again = by_name(await crawl_on(loaded, dataclasses.replace(EVER, retry_refused_seconds=0)))
    assert again["tasks"].plan.filter == "updated_at"
    assert again["tasks"].learned.refused_filters == ()


async def test_columns_that_were_refused_are_filled_in_all_rows_once_they_are_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with agency(tmp_path, monkeypatch, quiet(), tables__only=["time_entries"]) as opened:
        opened.sandbox.faults.refused_includes = {"time_entries": {"task"}}
        await opened.crawl()
        opened.sandbox.faults.refused_includes = {}
        outcome = await crawl_on(opened, dataclasses.replace(EVER, retry_refused_seconds=0))
        assert by_name(outcome)["time_entries"].plan.full
        assert await opened.differences() == []


async def test_an_order_that_is_ignored_is_not_trusted(
    loaded: Agency, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.sandbox.lists.order_of", _any_order)
    organization = loaded.sandbox.organization
    organization.put("projects", organization.ids("projects")[-1], attributes={"name": "The last one"})
    tables = by_name(await loaded.crawl())
    assert tables["projects"].plan.full
    assert tables["projects"].learned.refused_sorts == ("last_activity_at",)
    assert await loaded.differences() == []


def _any_order(resource: Any, sorts: Any, lookup: Any, **options: Any) -> Any:
    from services.sandbox.query.sorts import order_of

    return order_of(resource, (), lookup, **options)


async def test_a_table_is_read_whole_when_it_is_due_when_its_columns_change_and_when_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen: dict[str, Any] = {"tables__only": ["tasks", "deals"]}
    async with agency(tmp_path, monkeypatch, quiet(), columns__skip=["tasks.title"], **chosen) as opened:
        await opened.crawl()
        due = by_name(await crawl_on(opened, Schedule(full_every_seconds=0)))
        assert {table.plan.reason for table in due.values()} == {"due again"}
        full = by_name(await opened.crawl(scope=Scope(Mode.FULL)))
        assert {table.plan.reason for table in full.values()} == {"asked for"}
        settings = opened.world.settings
    async with agency(tmp_path, monkeypatch, quiet(), **chosen) as opened:
        assert opened.world.settings.organization_id == settings.organization_id
        tables = by_name(await opened.crawl())
        assert tables["tasks"].plan.reason == "what is selected of it has changed"
        assert tables["deals"].plan.filter
        assert await opened.differences() == []


async def test_changes_since_a_time_are_read_and_what_lies_before_is_not_taken_for_read(
    loaded: Agency,
) -> None:
    change(loaded, "tasks", 4)
    later = loaded.world.clock.now_us() + 3600 * MICROSECONDS
    before = (await loaded.world.checkpoints.table("tasks")) or pytest.fail("no checkpoint")
    skipped = by_name(await loaded.crawl(scope=Scope(Mode.SINCE, later)))["tasks"]
    assert (skipped.records, skipped.coverage) == (0, before.coverage)
    assert by_name(await loaded.crawl())["tasks"].records == 4
    long_ago = Scope(Mode.SINCE, later - 60 * 86_400 * MICROSECONDS)
    assert by_name(await loaded.crawl(scope=long_ago))["tasks"].records > 4
    assert await loaded.differences() == []


@pytest.mark.parametrize("cut", [False, True])
async def test_a_long_pause_is_caught_up_with_window_by_window_and_resumed_in_the_one_it_was_in(
    loaded: Agency, cut: bool
) -> None:
    loaded.sandbox.faults.ignores_feature_flags = cut
    change(loaded, "time_entries", 3)
    since = Scope(Mode.SINCE, loaded.world.clock.now_us() - 90 * 86_400 * MICROSECONDS)
    windows = 1 + loaded.sandbox.organization.count("time_entries") // 200
    everything = by_name(await loaded.crawl(scope=since))["time_entries"]
    assert everything.window == windows - 1
    assert await loaded.differences() == []

    fail_after(loaded, "time_entries", everything.pages // 2)
    stopped = by_name(await loaded.crawl(scope=since, fresh=True))["time_entries"]
    assert stopped.status is Status.FAILED
    assert stopped.window > 0
    restore(loaded)
    loaded.sandbox.forget_requests()
    ended = by_name(await loaded.crawl())["time_entries"]
    assert ended.status is Status.DONE
    assert asked(loaded)["time_entries"] < everything.pages
    assert await loaded.differences() == []


async def test_two_conditions_that_are_refused_together_become_one(loaded: Agency) -> None:
    loaded.sandbox.faults.refused_params = {"time_entries": {"filter[$op]"}}
    since = Scope(Mode.SINCE, loaded.world.clock.now_us() - 90 * 86_400 * MICROSECONDS)
    entries = by_name(await loaded.crawl(scope=since))["time_entries"]
    assert (entries.status, entries.plan.filter, entries.plan.borders) == (Status.DONE, "updated_at", ())


async def test_a_named_table_is_read_even_if_an_unfinished_run_has_read_it_already(
    loaded: Agency,
) -> None:
    loaded.sandbox.faults.errors_5xx = {"comments": 100}
    assert not (await loaded.crawl()).complete
    change(loaded, "services", 2)
    named = await loaded.crawl(tables=["services"], partial=True)
    assert by_name(named)["services"].records == 2
    whole = await loaded.crawl(tables=["services"], partial=True, scope=Scope(Mode.FULL))
    assert by_name(whole)["services"].plan.full
    loaded.sandbox.faults.errors_5xx = {}
    loaded.sandbox.forget_requests()
    assert (await loaded.crawl()).resumed
    assert set(asked(loaded)) == {"comments"}
    assert await loaded.differences() == []


async def test_a_run_for_everything_is_not_taken_for_done_by_an_unfinished_one_for_changes(
    loaded: Agency,
) -> None:
    loaded.sandbox.faults.errors_5xx = {"comments": 100}
    first = await loaded.crawl()
    loaded.sandbox.faults.errors_5xx = {}
    full = await loaded.crawl(scope=Scope(Mode.FULL))
    assert full.run.id != first.run.id
    assert all(table.plan.full for table in full.tables)


async def test_a_walk_that_was_disturbed_to_the_end_is_no_complete_one(loaded: Agency) -> None:
    before = by_name(await loaded.crawl())["time_entries"].coverage
    loaded.sandbox.faults.no_cursor = {"time_entries"}
    sandbox, put = loaded.sandbox.organization, loaded.sandbox.organization.put
    unsettle(loaded, lambda: put("time_entries", attributes={"note": "One more"}))
    outcome = by_name(await loaded.crawl(scope=Scope(Mode.FULL)))["time_entries"]
    assert not outcome.settled
    assert outcome.coverage == before
    assert sandbox.count("time_entries") > 200


async def test_the_fields_that_were_seen_are_remembered_until_the_whole_table_is_read_again(
    loaded: Agency,
) -> None:
    loaded.sandbox.faults.extra_attributes = {"tasks": {"brand_new": 1}}
    everything = loaded.sandbox.organization.count("tasks")
    whole = by_name(await loaded.crawl(scope=Scope(Mode.FULL)))["tasks"].sightings
    assert whole.unknown == {"brand_new: integer": everything}
    change(loaded, "tasks", 2)
    changes = by_name(await loaded.crawl())["tasks"]
    assert changes.unknown == {"brand_new: integer": 2}
    assert changes.sightings.unknown == {"brand_new: integer": everything + 2}
    loaded.sandbox.faults.extra_attributes = {}
    assert by_name(await loaded.crawl())["tasks"].sightings.unknown == changes.sightings.unknown
    assert by_name(await loaded.crawl(scope=Scope(Mode.FULL)))["tasks"].sightings.unknown == {}


def fail_after(opened: Agency, table: str, requests: int) -> None:
    """Let that many more requests of a table pass, and no other after them."""
    served, answer = 0, opened.sandbox.faults.server_error

    def server_error(asked_for: str) -> int | None:
        nonlocal served
        served += asked_for == table
        return 503 if asked_for == table and served > requests else answer(asked_for)

    vars(opened.sandbox.faults)["server_error"] = server_error


def unsettle(opened: Agency, disturb: Callable[[], object]) -> None:
    """Do something at every request."""
    answer = opened.sandbox.faults.server_error

    def server_error(asked_for: str) -> int | None:
        disturb()
        return answer(asked_for)

    vars(opened.sandbox.faults)["server_error"] = server_error


def restore(opened: Agency) -> None:
    vars(opened.sandbox.faults).pop("server_error")
