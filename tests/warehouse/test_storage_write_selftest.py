"""The self-test passes where changes work, and says what does not where they do not."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from shared.clock import ManualClock
from shared.warehouse.bigquery import selftest
from shared.warehouse.bigquery.selftest import SCRATCH_COLUMNS, ReadBack, SelfTestResult
from tests.google.storage_write_harness import Town, new_table, town
from tests.google.storage_write_server import Table

SCRATCH = "projects/agency-1/datasets/productive/tables/_selftest"


def reader(table: Table) -> ReadBack:
    async def read_back(ids: Collection[str]) -> Mapping[str, Mapping[str, Any]]:
        return {id_: row for id_, row in table.rows.items() if id_ in ids}

    return read_back


async def prove(place: Town, read_back: ReadBack) -> SelfTestResult:
    return await selftest.prove_changes(place.appender, SCRATCH, read_back, clock=ManualClock())


async def test_it_passes_also_the_second_time() -> None:
    table = new_table(SCRATCH_COLUMNS)
    async with town(tables={SCRATCH: table}) as place:
        for _ in range(2):
            result = await prove(place, reader(table))
            assert result == SelfTestResult()
            assert result.passed


async def test_it_waits_for_changes_that_show_late() -> None:
    table = new_table(SCRATCH_COLUMNS)
    looks = 0

    async def read_back(ids: Collection[str]) -> Mapping[str, Mapping[str, Any]]:
        nonlocal looks
        looks += 1
        return await reader(table)(ids) if looks > 2 else {}

    async with town(tables={SCRATCH: table}) as place:
        assert (await prove(place, read_back)).passed
    assert looks == 3


async def test_a_table_that_keeps_what_came_last_fails_it() -> None:
    table = new_table(SCRATCH_COLUMNS)

    def forget_numbers(values: Mapping[str, Any]) -> None:
        for each in table.stored.values():
            each.sequence = (0,)

    table.refuse = forget_numbers
    async with town(tables={SCRATCH: table}) as place:
        result = await prove(place, reader(table))
    assert result.problems == ("an older state is not ignored", "an older state brings a deleted row back")
    assert not result.passed


async def test_a_table_that_only_adds_fails_it() -> None:
    async def read_back(ids: Collection[str]) -> Mapping[str, Mapping[str, Any]]:
        return {id_: {"id": id_, "state": "state 1"} for id_ in ids}

    async with town(tables={SCRATCH: new_table(SCRATCH_COLUMNS)}) as place:
        result = await prove(place, read_back)
    assert result.problems == (
        "an upsert does not replace an older state",
        "an older state is not ignored",
        "a deletion does not delete",
        "an older state brings a deleted row back",
    )


async def test_rows_that_are_refused_are_the_problem_itself() -> None:
    table = new_table(SCRATCH_COLUMNS)
    table.refuse = lambda values: "no primary key" if values["_CHANGE_TYPE"] == "DELETE" else None
    async with town(tables={SCRATCH: table}) as place:
        result = await prove(place, reader(table))
    assert result.problems == ("a row was refused: no primary key",) * 2
