"""When too much of a table seems to be gone nothing is deleted until a person has said so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.backfill.brake import Brake
from services.backfill.comparison import ComparisonRules
from services.backfill.environment import ComparisonOutcome
from shared.errors import ConfigError
from tests.backfill.comparing import Desk, desk_in

SHARES = st.integers(0, 100).map(lambda percent: percent / 100)


@given(SHARES, st.integers(0, 1_000), st.integers(0, 10**7), st.integers(0, 10**7))
def test_only_what_is_more_than_the_share_and_more_than_the_rows_is_held_back(
    share: float, rows: int, table_rows: int, deletions: int
) -> None:
    too_large_a_share = deletions * 100 > round(share * 100) * table_rows
    assert Brake(share, rows).holds(deletions, table_rows) == (too_large_a_share and deletions > rows)


@given(st.integers(0, 1_000), st.integers(0, 10**6))
def test_with_a_share_of_one_a_whole_table_may_go(rows: int, table_rows: int) -> None:
    assert not Brake(1.0, rows).holds(table_rows, table_rows)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk_in(tmp_path, ("tasks",)) as desk:
        desk.rules = ComparisonRules(brake=Brake(0.2, rows=5))
        await desk.crawl("tasks")
        yield desk


def remove(desk: Desk, share: float) -> list[str]:
    """Delete a share of the tasks without telling anybody."""
    ids = desk.sandbox.organization.ids("tasks")
    gone = ids[: int(len(ids) * share)]
    for id_ in gone:
        desk.sandbox.organization.remove("tasks", id_)
    return gone


async def test_just_the_share_goes_without_a_question(desk: Desk) -> None:
    gone = remove(desk, 0.2)
    assert await desk.crawl("tasks") == ComparisonOutcome(deleted=len(gone))
    assert await desk.held.all() == []


async def test_more_than_the_share_stays_and_is_told_with_numbers_and_a_few_ids(desk: Desk) -> None:
    before = await desk.ids("tasks")
    gone = remove(desk, 0.5)
    walked = await desk.walk("tasks")
    outcome = await desk.compare(walked)
    assert (outcome.deleted, outcome.held_back) == (0, len(gone))
    assert f"{len(gone):,} of {len(before):,} rows" in outcome.reason
    assert "--confirm-deletions tasks" in outcome.reason
    assert await desk.ids("tasks") == before
    [held] = await desk.held.all()
    assert (held.table, held.run_id, held.rows, held.count) == (
        "tasks",
        walked.run_id,
        len(before),
        len(gone),
    )
    assert 0 < len(held.ids) <= 20
    assert set(held.ids) <= set(gone)
    assert not held.confirmed


async def test_a_list_that_is_empty_of_a_sudden_empties_no_table_and_costs_few_requests(desk: Desk) -> None:
    before = await desk.ids("tasks")
    for id_ in before:
        desk.sandbox.organization.remove("tasks", id_)
    walked = await desk.walk("tasks")
    desk.sandbox.forget_requests()
    outcome = await desk.compare(walked)
    assert outcome.held_back == len(before)
    assert desk.requests("tasks") <= 21
    assert await desk.ids("tasks") == before


async def test_a_list_that_leaves_much_out_is_not_held_back_when_it_is_all_there(desk: Desk) -> None:
    before = await desk.ids("tasks")
    assert await desk.crawl("tasks", unlisted=sorted(before)[::2]) == ComparisonOutcome()
    assert await desk.ids("tasks") == before
    assert await desk.held.all() == []


async def test_what_was_confirmed_is_found_anew_and_deleted_once(desk: Desk) -> None:
    remove(desk, 0.5)
    await desk.crawl("tasks")
    held = await desk.held.confirm("tasks")
    assert held.confirmed
    outcome = await desk.crawl("tasks")
    assert outcome == ComparisonOutcome(deleted=held.count)
    assert await desk.ids("tasks") == desk.there("tasks")
    assert await desk.held.all() == []
    remove(desk, 0.5)
    assert (await desk.crawl("tasks")).held_back, "a confirmation is good for once"


async def test_what_is_there_again_when_it_was_confirmed_stays(desk: Desk) -> None:
    before = await desk.ids("tasks")
    unlisted = sorted(before)[::2]
    resources = {id_: desk.sandbox.organization.resource("tasks", id_) for id_ in unlisted}
    for id_ in unlisted:
        desk.sandbox.organization.remove("tasks", id_)
    await desk.crawl("tasks")
    await desk.held.confirm("tasks")
    for id_ in unlisted[3:]:
        desk.sandbox.organization.put("tasks", id_, attributes=resources[id_]["attributes"])
    assert (await desk.crawl("tasks")).deleted == 3
    assert await desk.ids("tasks") == desk.there("tasks")


async def test_a_confirmation_is_not_for_many_more_than_were_shown(desk: Desk) -> None:
    first = remove(desk, 0.4)
    await desk.crawl("tasks")
    await desk.held.confirm("tasks")
    second = remove(desk, 0.9)
    outcome = await desk.crawl("tasks")
    assert (outcome.deleted, outcome.held_back) == (0, len(first) + len(second))
    [held] = await desk.held.all()
    assert held.count == len(first) + len(second)
    assert not held.confirmed


async def test_what_is_held_back_is_forgotten_when_it_is_there_again(desk: Desk) -> None:
    before = await desk.ids("tasks")
    resources = list(desk.sandbox.organization.resources("tasks"))
    for id_ in before:
        desk.sandbox.organization.remove("tasks", id_)
    await desk.crawl("tasks")
    assert await desk.held.all()
    for resource in resources:
        desk.sandbox.organization.put("tasks", resource["id"], attributes=resource["attributes"])
    assert await desk.crawl("tasks") == ComparisonOutcome()
    assert await desk.held.all() == []
    assert await desk.ids("tasks") == before


async def test_a_confirmed_deletion_that_was_killed_is_done_again_to_its_end(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove(desk, 0.5)
    await desk.crawl("tasks")
    await desk.held.confirm("tasks")
    walked = await desk.walk("tasks")
    with monkeypatch.context() as patch:
        patch.setattr("services.backfill.held.HeldStore.release", _killed)
        with pytest.raises(KeyboardInterrupt):
            await desk.compare(walked, write=False)
    outcome = await desk.compare(walked)
    assert (outcome.held_back, await desk.held.all()) == (0, [])
    assert await desk.ids("tasks") == desk.there("tasks")


async def _killed(*_: object) -> None:
    raise KeyboardInterrupt


async def test_only_what_is_held_back_can_be_confirmed(desk: Desk) -> None:
    with pytest.raises(ConfigError, match="no deletions of 'tasks'"):
        await desk.held.confirm("tasks")
    remove(desk, 0.5)
    await desk.crawl("tasks")
    with pytest.raises(ConfigError) as raised:
        await desk.held.confirm("people")
    assert "tasks" in raised.value.advice


async def test_what_cannot_be_read_of_it_is_written_anew(desk: Desk) -> None:
    remove(desk, 0.5)
    await desk.crawl("tasks")
    [name] = await desk.objects.list(f"organizations/{desk.organization_id}/held-deletions/")
    await desk.objects.write(name, b"{")
    assert await desk.held.all() == []
    await desk.crawl("tasks")
    assert len(await desk.held.all()) == 1
