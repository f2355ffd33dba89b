"""A crawl ends with the warehouse equal to the source, whatever the server does on the way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from services.backfill.checkpoint import Status
from services.sandbox import Faults, SandboxSettings
from shared.errors import CredentialsError, UnreachableError
from tests.backfill.agency import Agency, agency

TABLES = [
    *("people", "projects", "companies", "services", "time_entries", "tasks", "comments", "activities"),
    *("salaries", "invoices", "rate_cards", "boards", "booking_reports"),
]


@pytest.fixture
async def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Agency]:
    async with agency(tmp_path, monkeypatch, tables__only=TABLES) as opened:
        yield opened


def least_requests(opened: Agency) -> int:
    counts = [opened.sandbox.organization.count(name) for name in opened.world.tables]
    return sum(max(1, -(-count // 200)) for count in counts)


async def test_every_row_of_every_table_arrives_exactly_with_hardly_a_request_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with agency(tmp_path, monkeypatch) as opened:
        outcome = await opened.crawl()
        assert outcome.complete
        assert len(outcome.tables) == 58
        assert await opened.differences() == []
        assert len(opened.sandbox.requests) <= 1.05 * least_requests(opened)


def _no_cursor(faults: Faults) -> None:
    faults.no_cursor = {"time_entries", "people", "comments"}


def _ignores_cursor(faults: Faults) -> None:
    faults.ignores_cursor = {"time_entries", "people", "comments"}


def _refuses_includes(faults: Faults) -> None:
    faults.refused_includes = {"people": {"custom_field_people"}, "projects": {"no_such_include"}}


def _disturbed(faults: Faults) -> None:
    faults.cut_bodies, faults.garbage, faults.errors_5xx_every = 3, 2, 9


def _throttled(faults: Faults) -> None:
    faults.too_many, faults.too_many_reset = 5, "0"


@pytest.mark.parametrize("switch", [_no_cursor, _ignores_cursor, _refuses_includes, _disturbed, _throttled])
async def test_it_arrives_all_the_same_from_a_server_with_quirks(
    small: Agency, switch: Callable[[Faults], None]
) -> None:
    switch(small.sandbox.faults)
    outcome = await small.crawl()
    assert outcome.complete
    assert await small.differences() == []


async def test_an_include_that_is_refused_leaves_only_its_own_column_empty(small: Agency) -> None:
    small.sandbox.faults.refused_includes = {"time_entries": {"task"}}
    small.sandbox.faults.names_refused_include = False
    outcome = await small.crawl()
    [entries] = [table for table in outcome.tables if table.table == "time_entries"]
    assert entries.learned.refused_includes == ("task",)
    differences = await small.differences()
    assert all(line.startswith("time_entries ") and ".task_id" in line for line in differences)


async def test_tables_that_are_not_to_be_had_are_named_with_the_reason_and_the_others_arrive(
    small: Agency,
) -> None:
    small.sandbox.faults.unavailable = {
        "salaries": (403, "forbidden"),
        "invoices": (404, "record_not_found"),
        "rate_cards": (402, "payment_required"),
    }
    outcome = await small.crawl()
    unavailable = {
        table.table: table.reason for table in outcome.tables if table.status is Status.UNAVAILABLE
    }
    assert outcome.complete
    assert unavailable.keys() == {"salaries", "invoices", "rate_cards"}
    assert all(unavailable.values())


async def test_a_table_that_fails_is_resumed_by_the_next_run_and_the_others_are_not_read_again(
    small: Agency,
) -> None:
    small.sandbox.faults.errors_5xx = {"comments": 100}
    first = await small.crawl()
    assert not first.complete
    assert [table.table for table in first.tables if table.status is Status.FAILED] == ["comments"]
    small.sandbox.faults.errors_5xx = {}
    before = len(small.sandbox.requests)
    second = await small.crawl()
    assert second.complete
    assert second.resumed
    assert {request.table for request in list(small.sandbox.requests)[before:]} == {"comments"}
    assert await small.differences() == []


async def test_a_table_that_fails_again_does_not_keep_the_others_from_being_read_anew(small: Agency) -> None:
    small.sandbox.faults.errors_5xx = {"comments": 1_000}
    outcomes = [await small.crawl() for _ in range(3)]
    assert [outcome.complete for outcome in outcomes] == [False, False, False]
    assert [outcome.resumed for outcome in outcomes] == [False, True, False]
    small.sandbox.faults.errors_5xx = {}
    assert (await small.crawl()).complete
    assert await small.differences() == []


async def test_reading_one_table_leaves_an_unfinished_crawl_of_all_to_be_resumed(small: Agency) -> None:
    small.sandbox.faults.errors_5xx = {"comments": 100}
    first = await small.crawl()
    small.sandbox.faults.errors_5xx = {}
    people = await small.crawl(tables=["people"], partial=True)
    assert people.complete
    assert [table.table for table in people.tables] == ["people"]
    before = len(small.sandbox.requests)
    last = await small.crawl()
    assert last.run.id == first.run.id
    assert last.run.finished_us is not None
    assert {request.table for request in list(small.sandbox.requests)[before:]} == {"comments"}


async def test_links_that_lead_nowhere_fail_their_table_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = SandboxSettings(people=12)
    async with agency(tmp_path, monkeypatch, settings, tables__only=TABLES) as opened:
        opened.sandbox.faults.repeat_links = {"time_entries"}
        opened.sandbox.faults.foreign_links = {"activities"}
        outcome = await opened.crawl()
        reasons = {table.table: table.reason for table in outcome.tables if table.status is Status.FAILED}
        assert reasons.keys() == {"time_entries", "activities"}


async def test_a_wrong_token_is_told_after_one_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with agency(tmp_path, monkeypatch, token="another") as opened:
        with pytest.raises(CredentialsError):
            await opened.crawl()
        assert len(opened.sandbox.requests) == 1


async def test_a_server_that_answers_nothing_but_errors_ends_the_crawl(small: Agency) -> None:
    small.sandbox.faults.errors_5xx_every = 1
    with pytest.raises(UnreachableError):
        await small.crawl()


async def test_a_second_crawl_brings_what_changed_in_between(small: Agency) -> None:
    await small.crawl()
    people = small.sandbox.organization.ids("people")
    small.sandbox.organization.put("people", people[0], attributes={"first_name": "Renamed 🎉"})
    small.sandbox.organization.put("companies", attributes={"name": "New client"})
    outcome = await small.crawl()
    assert not outcome.resumed
    assert await small.differences() == []
