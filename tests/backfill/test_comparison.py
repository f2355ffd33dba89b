"""After a complete walk the warehouse has the ids that Productive has, and never loses one that is there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from services.backfill.brake import Brake
from services.backfill.compared import Compared
from services.backfill.comparison import ComparisonRules
from services.backfill.environment import ComparisonOutcome
from shared.clock import MICROSECONDS
from shared.errors import UnreachableError
from shared.record import Record, Version
from tests.backfill.comparing import Desk, desk_in

TABLES = ("tasks", "comments", "services", "bookings", "booking_reports")


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk_in(tmp_path, TABLES) as desk:
        yield desk


async def test_what_is_gone_is_deleted_and_everything_else_stays(desk: Desk) -> None:
    await desk.crawl("tasks")
    gone = desk.sandbox.organization.ids("tasks")[3:8]
    for id_ in gone:
        desk.sandbox.organization.remove("tasks", id_)
    assert await desk.crawl("tasks") == ComparisonOutcome(deleted=5)
    assert await desk.ids("tasks") == desk.there("tasks")


async def test_a_deletion_is_a_record_like_any_other_with_the_time_of_the_walk(desk: Desk) -> None:
    await desk.crawl("tasks")
    gone = desk.sandbox.organization.ids("tasks")[0]
    desk.sandbox.organization.remove("tasks", gone)
    walked = await desk.walk("tasks")
    await desk.compare(walked, write=False)
    [delivery] = await desk.bus.pull(max_messages=9, max_bytes=1 << 30, wait_seconds=0)
    batch = (await desk.codec.decode(delivery.message)).batch
    assert (batch.table, batch.source, batch.run_id) == ("tasks", "deletion", walked.run_id)
    assert batch.records == [Record(gone, "delete", Version(walked.started_us, walked.started_us))]


async def test_a_row_whose_change_time_is_in_the_future_is_deleted_all_the_same(desk: Desk) -> None:
    await desk.crawl("tasks")
    later_us = desk.clock.now_us() + 3_600 * MICROSECONDS
    await desk.tell("tasks", Record("99", "upsert", Version(later_us, 5), {"id": "99"}))
    assert (await desk.crawl("tasks")).deleted == 1
    assert await desk.ids("tasks") == desk.there("tasks")


async def test_nothing_is_asked_of_productive_when_nothing_is_missing(desk: Desk) -> None:
    await desk.crawl("tasks")
    walked = await desk.walk("tasks")
    desk.sandbox.forget_requests()
    assert await desk.compare(walked) == ComparisonOutcome()
    assert desk.sandbox.requests == []


async def test_doing_it_twice_changes_nothing_more(desk: Desk) -> None:
    await desk.crawl("tasks")
    desk.sandbox.organization.remove("tasks", desk.sandbox.organization.ids("tasks")[0])
    walked = await desk.walk("tasks")
    first = await desk.compare(walked)
    desk.sandbox.forget_requests()
    assert await desk.compare(walked) == first
    assert desk.sandbox.requests == []
    assert await desk.crawl("tasks") == ComparisonOutcome()
    assert await desk.ids("tasks") == desk.there("tasks")


async def test_a_comparison_that_was_killed_is_done_again_with_the_same_end(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.crawl("tasks")
    for id_ in desk.sandbox.organization.ids("tasks")[:3]:
        desk.sandbox.organization.remove("tasks", id_)
    walked = await desk.walk("tasks")
    with monkeypatch.context() as patch:
        patch.setattr("services.backfill.compared.ComparedStore.save", _killed)
        with pytest.raises(KeyboardInterrupt):
            await desk.compare(walked)
    await desk.write()
    await desk.compare(walked)
    assert await desk.ids("tasks") == desk.there("tasks")


async def _killed(*_: object) -> None:
    raise KeyboardInterrupt


async def test_a_record_that_is_made_while_the_list_is_walked_stays(desk: Desk) -> None:
    await desk.crawl("tasks")
    made: list[str] = []

    def during() -> None:
        made.append(desk.sandbox.organization.put("tasks", attributes={"title": "Made meanwhile"}))

    walked = await desk.walk("tasks", during=during)
    await desk.reread("tasks", made[0])
    assert await desk.compare(walked) == ComparisonOutcome()
    assert await desk.ids("tasks") == desk.there("tasks")


async def test_a_record_that_moved_to_a_page_that_was_read_before_stays(desk: Desk) -> None:
    await desk.crawl("tasks")
    moved = desk.sandbox.organization.ids("tasks")[5]
    assert await desk.crawl("tasks", unlisted=[moved]) == ComparisonOutcome()
    assert await desk.ids("tasks") == desk.there("tasks")


async def test_a_record_that_is_only_not_listed_is_brought_up_to_date(desk: Desk) -> None:
    await desk.crawl("tasks")
    archived = desk.sandbox.organization.ids("tasks")[5]
    desk.sandbox.organization.put("tasks", archived, attributes={"title": "Changed in the archive"})
    await desk.crawl("tasks", unlisted=[archived])
    assert (await desk.values("tasks", "title"))[archived] == "Changed in the archive"


async def test_a_record_that_a_webhook_changes_during_the_walk_is_left_to_the_next_one(desk: Desk) -> None:
    await desk.crawl("tasks")
    id_ = desk.sandbox.organization.ids("tasks")[5]
    walked = await desk.walk("tasks", unlisted=[id_])
    desk.sandbox.organization.put("tasks", id_, attributes={"title": "Changed meanwhile"})
    await desk.reread("tasks", id_)
    desk.sandbox.forget_requests()
    assert await desk.compare(walked) == ComparisonOutcome()
    assert desk.sandbox.requests == []
    assert (await desk.values("tasks", "title"))[id_] == "Changed meanwhile"


async def test_a_record_that_is_deleted_after_it_was_seen_goes_with_the_next_walk(desk: Desk) -> None:
    await desk.crawl("tasks")
    id_ = desk.sandbox.organization.ids("tasks")[5]
    assert await desk.crawl("tasks", during=lambda: desk.sandbox.organization.remove("tasks", id_)) == (
        ComparisonOutcome()
    )
    assert (await desk.crawl("tasks")).deleted == 1
    assert await desk.ids("tasks") == desk.there("tasks")


async def test_a_record_that_was_made_again_under_another_id_takes_the_place_of_the_old_one(
    desk: Desk,
) -> None:
    await desk.crawl("tasks")
    old = desk.sandbox.organization.ids("tasks")[5]
    desk.sandbox.organization.remove("tasks", old)
    new = desk.sandbox.organization.put("tasks", attributes={"title": "Made again"})
    await desk.crawl("tasks")
    ids = await desk.ids("tasks")
    assert old not in ids
    assert new in ids


async def test_a_deletion_is_no_hindrance_to_a_change_after_the_restoration(desk: Desk) -> None:
    await desk.crawl("tasks")
    id_ = desk.sandbox.organization.ids("tasks")[5]
    desk.sandbox.organization.remove("tasks", id_)
    await desk.crawl("tasks")
    assert id_ not in await desk.ids("tasks")
    desk.sandbox.organization.restore("tasks", id_)
    desk.sandbox.organization.put("tasks", id_, attributes={"title": "Back, and changed"})
    await desk.reread("tasks", id_)
    assert (await desk.values("tasks", "title"))[id_] == "Back, and changed"


@pytest.mark.parametrize("told_by", ["comparison", "webhook"])
async def test_a_record_that_came_back_with_its_old_change_time_is_back_after_the_next_walk(
    desk: Desk, told_by: str
) -> None:
    await desk.crawl("tasks")
    id_ = desk.sandbox.organization.ids("tasks")[5]
    desk.sandbox.organization.remove("tasks", id_)
    if told_by == "comparison":
        await desk.crawl("tasks")
    else:
        await desk.tell_deleted("tasks", id_)
    assert id_ not in await desk.ids("tasks")
    desk.sandbox.organization.restore("tasks", id_)
    await desk.crawl("tasks")
    assert await desk.ids("tasks") == desk.there("tasks")


async def test_a_record_that_came_back_does_not_grow_old(desk: Desk) -> None:
    await desk.crawl("tasks")
    id_ = desk.sandbox.organization.ids("tasks")[5]
    desk.sandbox.organization.remove("tasks", id_)
    await desk.crawl("tasks")
    desk.sandbox.organization.restore("tasks", id_)
    await desk.crawl("tasks")
    # Something changes that moves no change time, as some things do.
    times = desk.sandbox.organization.resource("tasks", id_)["attributes"]
    same = {name: times[name] for name in ("updated_at", "last_activity_at") if name in times}
    desk.sandbox.organization.put("tasks", id_, attributes={"title": "Changed silently", **same})
    await desk.crawl("tasks")
    await desk.crawl("tasks")
    assert (await desk.values("tasks", "title"))[id_] == "Changed silently"
    # And then something that does.
    desk.sandbox.organization.put("tasks", id_, attributes={"title": "Changed"})
    await desk.crawl("tasks")
    assert (await desk.values("tasks", "title"))[id_] == "Changed"


@pytest.mark.parametrize("listed", [True, False])
async def test_a_version_from_a_wrong_clock_does_not_hide_what_is_read_for_ever(
    desk: Desk, listed: bool
) -> None:
    await desk.crawl("tasks")
    id_ = desk.sandbox.organization.ids("tasks")[5]
    future_us = desk.clock.now_us() + 30 * 86_400 * MICROSECONDS
    wrong = Record(id_, "upsert", Version(future_us, desk.clock.now_us()), {"id": id_, "title": "Wrong"})
    await desk.tell("tasks", wrong)
    for _ in range(2):
        await desk.crawl("tasks", unlisted=[] if listed else [id_])
        await _a_day_passes(desk)
    title = desk.sandbox.organization.resource("tasks", id_)["attributes"]["title"]
    assert (await desk.values("tasks", "title"))[id_] == title


async def test_a_table_without_change_times_is_compared_in_the_same_way(desk: Desk) -> None:
    await desk.crawl("services")
    id_ = desk.sandbox.organization.ids("services")[0]
    desk.sandbox.organization.remove("services", id_)
    assert (await desk.crawl("services")).deleted == 1
    assert id_ not in await desk.ids("services")
    desk.sandbox.organization.restore("services", id_)
    await desk.crawl("services")
    assert await desk.ids("services") == desk.there("services")


async def test_reports_have_no_address_and_their_list_is_believed(desk: Desk) -> None:
    await desk.crawl("booking_reports")
    ids = sorted(await desk.ids("booking_reports"))
    desk.sandbox.forget_requests()
    assert await desk.crawl("booking_reports", unlisted=ids[:2]) == ComparisonOutcome(deleted=2)
    assert await desk.ids("booking_reports") == set(ids[2:])


async def test_what_a_list_leaves_out_stays_however_it_is_told_apart(desk: Desk) -> None:
    await desk.crawl("bookings")
    drafts = [
        one["id"] for one in desk.sandbox.organization.resources("bookings") if one["attributes"].get("draft")
    ]
    assert drafts
    desk.sandbox.faults.refused_params = {"bookings": {"filter[with_draft]"}}
    assert await desk.crawl("bookings") == ComparisonOutcome()
    assert await desk.ids("bookings") == desk.there("bookings")


async def test_what_is_there_unlisted_is_looked_at_once_a_day(desk: Desk) -> None:
    await desk.crawl("tasks")
    ids = desk.sandbox.organization.ids("tasks")
    hidden = ids[:20]
    await desk.crawl("tasks", unlisted=hidden)
    walked = await desk.walk("tasks", unlisted=hidden)
    desk.sandbox.forget_requests()
    assert await desk.compare(walked) == ComparisonOutcome()
    assert desk.requests("tasks") == 0
    desk.sandbox.organization.remove("tasks", ids[30])
    assert await desk.crawl("tasks", unlisted=hidden) == ComparisonOutcome(deleted=1)
    await _a_day_passes(desk)
    desk.sandbox.organization.remove("tasks", hidden[0])
    assert await desk.crawl("tasks", unlisted=hidden) == ComparisonOutcome(deleted=1)
    assert await desk.ids("tasks") == desk.there("tasks")


async def _a_day_passes(desk: Desk) -> None:
    """What the last comparison read was read a day before."""
    name = f"organizations/{desk.organization_id}/comparisons/tasks.json"
    stored = await desk.objects.read(name)
    assert stored is not None
    compared = msgspec.json.decode(stored.data, type=Compared)
    day_us = 86_400 * MICROSECONDS
    unlisted = {id_: read_us - day_us for id_, read_us in compared.unlisted.items()}
    await desk.objects.write(name, msgspec.json.encode(msgspec.structs.replace(compared, unlisted=unlisted)))


async def test_ids_are_asked_for_one_by_one_where_they_cannot_be_asked_for_together(desk: Desk) -> None:
    await desk.crawl("tasks")
    ids = desk.sandbox.organization.ids("tasks")
    desk.sandbox.organization.remove("tasks", ids[0])
    desk.sandbox.faults.refused_params = {"tasks": {"filter[id]"}}
    assert await desk.crawl("tasks", unlisted=ids[1:4]) == ComparisonOutcome(deleted=1)
    assert await desk.ids("tasks") == desk.there("tasks")
    walked = await desk.walk("tasks", unlisted=ids[4:7])
    desk.sandbox.forget_requests()
    await desk.compare(walked)
    assert desk.requests("tasks") == 3, "what was refused once is not asked for again"


async def test_what_cannot_be_read_is_left_alone_and_said(desk: Desk) -> None:
    await desk.crawl("tasks")
    walked = await desk.walk("tasks", unlisted=desk.sandbox.organization.ids("tasks")[:30])
    desk.sandbox.faults.unavailable = {"tasks": (403, "forbidden")}
    desk.sandbox.forget_requests()
    outcome = await desk.compare(walked)
    assert (outcome.deleted, outcome.held_back) == (0, 30)
    assert "permission" in outcome.reason
    assert desk.requests("tasks") <= 12
    assert await desk.ids("tasks") == desk.there("tasks")


async def test_an_outage_ends_the_comparison_and_deletes_nothing(desk: Desk) -> None:
    await desk.crawl("tasks")
    walked = await desk.walk("tasks", unlisted=desk.sandbox.organization.ids("tasks")[:3])
    desk.sandbox.faults.errors_5xx_every = 1
    with pytest.raises(UnreachableError):
        await desk.compare(walked)
    desk.sandbox.faults.errors_5xx_every = 0
    assert await desk.compare(walked) == ComparisonOutcome()
    assert await desk.ids("tasks") == desk.there("tasks")


async def test_where_all_that_were_read_are_gone_the_list_is_believed_about_the_others(desk: Desk) -> None:
    desk.rules = ComparisonRules(brake=Brake(share=1.0), reads=4)
    await desk.crawl("tasks")
    gone = desk.sandbox.organization.ids("tasks")[:20]
    for id_ in gone:
        desk.sandbox.organization.remove("tasks", id_)
    walked = await desk.walk("tasks")
    desk.sandbox.forget_requests()
    assert await desk.compare(walked) == ComparisonOutcome(deleted=20)
    assert desk.requests("tasks") == 5


async def test_where_one_that_was_read_is_there_the_list_is_believed_about_no_other(desk: Desk) -> None:
    desk.rules = ComparisonRules(brake=Brake(share=1.0), reads=4)
    await desk.crawl("tasks")
    desk.sandbox.faults.refused_params = {"tasks": {"filter[id]"}}
    hidden = desk.sandbox.organization.ids("tasks")[-20:]
    outcome = await desk.crawl("tasks", unlisted=hidden)
    assert (outcome.deleted, outcome.held_back) == (0, 16)
    assert "not list" in outcome.reason
    assert await desk.ids("tasks") == desk.there("tasks")
