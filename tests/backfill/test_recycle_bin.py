"""Between full crawls the recycle bin tells what was deleted, and what has come back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.backfill import bin_state
from services.backfill.bin_state import BinStore
from services.backfill.recycle_bin import BinOutcome, RecycleBin
from shared.catalog import load_catalog
from tests.backfill.comparing import Desk, desk_in

TABLES = ("tasks", "deals", "services", "comments")


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk_in(tmp_path, TABLES) as desk:
        await desk.walk("tasks")
        await look(desk)
        desk.sandbox.forget_requests()
        yield desk


async def look(desk: Desk, *, write: bool = True) -> BinOutcome:
    """One look into the bin, and what came of it is written."""
    recycle_bin = RecycleBin(
        client=desk.client,
        bus=desk.bus,
        codec=desk.codec,
        objects=desk.objects,
        organization_id=desk.organization_id,
        catalog=load_catalog(),
        tables=desk.tables,
    )
    outcome = await recycle_bin.look("run")
    if write:
        await desk.write()
    return outcome


async def test_what_was_deleted_since_the_last_look_is_deleted_with_one_request(desk: Desk) -> None:
    gone = desk.sandbox.organization.ids("tasks")[:5]
    for id_ in gone:
        desk.sandbox.organization.remove("tasks", id_)
    assert await look(desk) == BinOutcome(deleted=5)
    assert await desk.ids("tasks") == desk.there("tasks")
    assert len(desk.sandbox.requests) == 1


async def test_what_is_known_is_not_told_again(desk: Desk) -> None:
    desk.sandbox.organization.remove("tasks", desk.sandbox.organization.ids("tasks")[0])
    assert await look(desk) == BinOutcome(deleted=1)
    assert await look(desk) == BinOutcome()
    assert await look(desk) == BinOutcome()


async def test_budgets_and_deals_are_one_table_and_tables_that_are_not_selected_are_left_out(
    desk: Desk,
) -> None:
    await desk.walk("deals")
    for id_ in desk.sandbox.organization.ids("deals")[:4]:
        desk.sandbox.organization.remove("deals", id_)
    desk.sandbox.organization.remove("projects", desk.sandbox.organization.ids("projects")[0])
    assert await look(desk) == BinOutcome(deleted=4)
    assert await desk.ids("deals") == desk.there("deals")


async def test_a_table_without_change_times_loses_its_rows_too(desk: Desk) -> None:
    await desk.walk("services")
    desk.sandbox.organization.remove("services", desk.sandbox.organization.ids("services")[0])
    await look(desk)
    assert await desk.ids("services") == desk.there("services")


@pytest.mark.parametrize("also_told_by_webhook", [False, True])
async def test_a_record_that_came_back_with_its_old_change_time_is_there_again(
    desk: Desk, also_told_by_webhook: bool
) -> None:
    id_ = desk.sandbox.organization.ids("tasks")[3]
    desk.sandbox.organization.remove("tasks", id_)
    await look(desk)
    if also_told_by_webhook:
        await desk.tell_deleted("tasks", id_)
    assert id_ not in await desk.ids("tasks")
    desk.sandbox.organization.restore("tasks", id_)
    assert await look(desk) == BinOutcome(restored=1)
    assert await desk.ids("tasks") == desk.there("tasks")
    assert await look(desk) == BinOutcome()


async def test_a_record_that_came_back_can_be_changed_and_deleted_again(desk: Desk) -> None:
    id_ = desk.sandbox.organization.ids("tasks")[3]
    desk.sandbox.organization.remove("tasks", id_)
    await look(desk)
    desk.sandbox.organization.restore("tasks", id_)
    await look(desk)
    desk.sandbox.organization.put("tasks", id_, attributes={"title": "Changed after all"})
    await desk.walk("tasks")
    assert (await desk.values("tasks", "title"))[id_] == "Changed after all"
    desk.sandbox.organization.remove("tasks", id_)
    assert await look(desk) == BinOutcome(deleted=1)
    assert id_ not in await desk.ids("tasks")


async def test_a_record_that_was_restored_and_deleted_again_between_two_looks_is_gone(desk: Desk) -> None:
    id_ = desk.sandbox.organization.ids("tasks")[3]
    desk.sandbox.organization.remove("tasks", id_)
    await look(desk)
    desk.sandbox.organization.restore("tasks", id_)
    desk.sandbox.organization.put("tasks", id_, attributes={"title": "For a moment"})
    await desk.reread("tasks", id_)
    desk.sandbox.organization.remove("tasks", id_)
    assert await look(desk) == BinOutcome(deleted=1)
    assert id_ not in await desk.ids("tasks")


async def test_what_says_that_it_was_recovered_has_left_the_bin(desk: Desk) -> None:
    id_ = desk.sandbox.organization.ids("tasks")[3]
    desk.sandbox.organization.remove("tasks", id_)
    await look(desk)
    entry = _entry(desk, id_)
    desk.sandbox.organization.restore("tasks", id_)
    desk.sandbox.organization.put("deleted_items", attributes={**entry, "recovered_at": entry["created_at"]})
    assert await look(desk) == BinOutcome(restored=1)
    assert await desk.ids("tasks") == desk.there("tasks")


async def test_what_was_deleted_for_ever_stays_deleted_and_is_asked_for_once(desk: Desk) -> None:
    id_ = desk.sandbox.organization.ids("tasks")[3]
    desk.sandbox.organization.remove("tasks", id_)
    await look(desk)
    for entry in list(desk.sandbox.organization.resources("deleted_items")):
        desk.sandbox.organization.remove("deleted_items", entry["id"])
    desk.sandbox.forget_requests()
    assert await look(desk) == BinOutcome()
    assert desk.requests("tasks") == 1
    assert await look(desk) == BinOutcome()
    assert desk.requests("tasks") == 1
    assert await desk.ids("tasks") == desk.there("tasks")


async def test_a_long_pause_loses_no_deletion_and_old_ones_are_told_but_not_followed(desk: Desk) -> None:
    store = BinStore(desk.objects, desk.organization_id)
    ten_days = timedelta(days=10)
    await store.save(
        bin_state.BinState(looked_us=desk.clock.now_us() - ten_days // timedelta(microseconds=1))
    )
    id_ = desk.sandbox.organization.ids("tasks")[0]
    desk.sandbox.organization.put("deleted_items", attributes=_deleted(id_, days=9))
    assert (await look(desk)).deleted >= 1
    assert id_ not in await desk.ids("tasks")
    assert id_ not in {known.id for known in (await store.read()).known}


async def test_only_so_many_deletions_are_followed_and_all_are_told(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bin_state, "MOST_KNOWN", 3)
    for id_ in desk.sandbox.organization.ids("tasks")[:10]:
        desk.sandbox.organization.remove("tasks", id_)
    assert await look(desk) == BinOutcome(deleted=10)
    assert await desk.ids("tasks") == desk.there("tasks")
    assert len((await BinStore(desk.objects, desk.organization_id).read()).known) == 3
    await look(desk)
    assert await desk.ids("tasks") == desk.there("tasks")


async def test_the_first_look_goes_back_a_week(desk: Desk) -> None:
    ids = desk.sandbox.organization.ids("tasks")[:3]
    for id_, days in zip(ids, (1, 6, 9), strict=True):
        desk.sandbox.organization.put("deleted_items", attributes=_deleted(id_, days=days))
    await desk.objects.delete(f"organizations/{desk.organization_id}/recycle-bin.json")
    outcome = await look(desk, write=False)
    told = [
        record.id
        for delivery in await desk.bus.pull(max_messages=50, max_bytes=1 << 30, wait_seconds=0)
        for batch in [(await desk.codec.decode(delivery.message)).batch]
        if batch.table == "tasks"
        for record in batch.records
    ]
    assert outcome.deleted >= 2
    assert set(told) >= set(ids[:2])
    assert ids[2] not in told


@pytest.mark.parametrize("trouble", ["cut to days", "filter refused", "no cursor"])
async def test_it_is_all_the_same_where_the_list_has_quirks(desk: Desk, trouble: str) -> None:
    if trouble == "cut to days":
        desk.sandbox.faults.ignores_feature_flags = True
    elif trouble == "filter refused":
        desk.sandbox.faults.refused_params = {"deleted_items": {"filter[created_at]"}}
    else:
        desk.sandbox.faults.no_cursor = {"deleted_items"}
    ids = desk.sandbox.organization.ids("tasks")[:2]
    for id_ in ids:
        desk.sandbox.organization.remove("tasks", id_)
    assert await look(desk) == BinOutcome(deleted=2)
    desk.sandbox.organization.restore("tasks", ids[0])
    assert await look(desk) == BinOutcome(restored=1)
    assert await desk.ids("tasks") == desk.there("tasks")
    assert await look(desk) == BinOutcome()


async def test_a_bin_that_is_not_to_be_had_is_told_and_its_deletions_come_later(desk: Desk) -> None:
    desk.sandbox.organization.remove("tasks", desk.sandbox.organization.ids("tasks")[0])
    desk.sandbox.faults.unavailable = {"deleted_items": (403, "forbidden")}
    outcome = await look(desk)
    assert outcome.deleted == 0
    assert "permission" in outcome.problem
    desk.sandbox.faults.unavailable = {}
    assert await look(desk) == BinOutcome(deleted=1)


async def test_a_look_that_was_killed_is_done_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    id_ = desk.sandbox.organization.ids("tasks")[3]
    desk.sandbox.organization.remove("tasks", id_)
    await look(desk)
    desk.sandbox.organization.restore("tasks", id_)
    other = desk.sandbox.organization.ids("tasks")[0]
    desk.sandbox.organization.remove("tasks", other)
    with monkeypatch.context() as patch:
        patch.setattr(BinStore, "save", _killed)
        with pytest.raises(KeyboardInterrupt):
            await look(desk)
    assert await look(desk) == BinOutcome(deleted=1, restored=1)
    assert await desk.ids("tasks") == desk.there("tasks")


async def _killed(*_: object) -> None:
    raise KeyboardInterrupt


async def test_what_cannot_be_read_of_the_last_look_is_looked_up_anew(desk: Desk) -> None:
    desk.sandbox.organization.remove("tasks", desk.sandbox.organization.ids("tasks")[0])
    await desk.objects.write(f"organizations/{desk.organization_id}/recycle-bin.json", b"[]")
    assert (await look(desk)).deleted >= 1
    assert await desk.ids("tasks") == desk.there("tasks")


def _entry(desk: Desk, id_: str) -> dict[str, object]:
    [attributes] = [
        entry["attributes"]
        for entry in desk.sandbox.organization.resources("deleted_items")
        if str(entry["attributes"]["item_id"]) == id_
    ]
    return dict(attributes)


def _deleted(id_: str, *, days: float) -> dict[str, object]:
    """A task's entry in the bin, from so many days ago."""
    moment = datetime.now(UTC) - timedelta(days=days)
    return {"item_type": "task", "item_id": int(id_), "created_at": moment.isoformat(timespec="milliseconds")}
