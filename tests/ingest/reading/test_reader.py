"""Deliveries become records: published as they are, read again, or set aside with a reason."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from aiohttp import web

from services.ingest.reading import TEST_EVENT
from shared.bus import Message
from shared.catalog import load_catalog
from shared.productive import Limiter, LimitPolicy, ProductiveClient, WindowLimit
from shared.record import Source
from tests.ingest.reading.bodies import body
from tests.ingest.reading.office import Office, open_client
from tests.productive.server import Asked, Server, reply

WITH_EVENTS = {table.name: table for table in load_catalog().values() if table.events}
EVENTS = [
    (event_id, table.name, kind)
    for table in WITH_EVENTS.values()
    for kind, event_ids in table.events.items()
    for event_id in event_ids
]


def first(office: Office, table: str) -> str:
    return office.sandbox.organization.ids(table)[0]


async def test_every_one_of_the_33_events_brings_the_true_row_to_its_table(office: Office) -> None:
    organization = office.sandbox.organization
    gone = {}
    for event_id, table, kind in EVENTS:
        if kind == "delete":
            gone[event_id] = organization.put(table)
            organization.remove(table, gone[event_id])
        id_ = gone.get(event_id) or first(office, table)
        await office.receive(event_id, body(None, int(id_), created_us=office.clock.now_us()))
    await office.drain()
    for table in WITH_EVENTS:
        rows = await office.rows(table)
        assert rows[first(office, table)].op == "upsert"
        assert await office.differences(table) == []
    for event_id, table, _ in EVENTS:
        if event_id in gone:
            assert (await office.rows(table))[gone[event_id]].op == "delete"
    assert await office.dead() == []
    assert sum(office.told.settled.values()) == 33


async def test_a_whole_payload_costs_no_request_and_a_partial_one_costs_one(office: Office) -> None:
    await office.tell("tasks", "update", first(office, "tasks"), whole=True)
    await office.drain()
    assert office.sandbox.requests == []
    assert office.told.settled_() == {"published": 1}
    await office.tell("deals", "update", first(office, "deals"))
    await office.drain()
    assert [request.table for request in office.sandbox.requests] == ["deals"]
    assert office.told.settled_() == {"published": 1, "reread": 1}
    assert await office.differences("tasks") + await office.differences("deals") == []


async def test_what_is_published_says_where_it_comes_from(office: Office) -> None:
    await office.tell("tasks", "update", first(office, "tasks"), whole=True)
    await office.drain()
    [batch] = await office.published()
    assert (batch.source, batch.organization_id) == (Source.WEBHOOK, office.sandbox.organization_id)
    assert batch.run_id.startswith("live-")


async def test_a_burst_for_one_record_costs_hardly_more_than_one_request(office: Office) -> None:
    for _ in range(100):
        await office.tell("tasks", "update", first(office, "tasks"))
    await office.drain()
    assert office.told.settled_() == {"reread": 100}
    assert len(office.sandbox.requests) == 1


async def test_a_burst_for_many_records_costs_a_request_for_every_200(office: Office) -> None:
    ids = [office.sandbox.organization.put("expenses", attributes={"name": str(n)}) for n in range(390)]
    for id_ in ids:
        await office.tell("expenses", "create", id_)
    await office.drain()
    assert len(office.sandbox.requests) <= 3
    assert (await office.rows("expenses")).keys() == set(ids)
    assert await office.differences("expenses") == []


async def test_a_stream_of_changes_does_not_use_up_productives_limits(office: Office) -> None:
    policy = LimitPolicy((WindowLimit("token", 20, 1.0),))
    left: list[int] = []
    async with ProductiveClient(office.client.connection, limiter=Limiter(policy, office.clock)) as client:
        tasks = office.sandbox.organization.ids("tasks")
        async with office.running(office.reader(client=client)) as reader:
            for number in range(120):
                await office.tell("tasks", "update", tasks[number % len(tasks)])
                left += [budget.left for budget in client.budget_left()]
                await asyncio.sleep(0.01)
            await office.drain(reader)
    assert min(left) > 0
    assert await office.differences("tasks") == []


def _refuses(office: Office) -> None:
    office.sandbox.faults.refused_params = {"expenses": {"filter[id]"}}


def _hides_drafts(office: Office) -> None:
    office.sandbox.faults.refused_params = {"expenses": {"filter[with_draft]"}}


@pytest.mark.parametrize("quirk", [_refuses, _hides_drafts])
async def test_records_that_no_list_gives_are_read_one_by_one(
    office: Office, quirk: Callable[[Office], None]
) -> None:
    quirk(office)
    ids = [office.sandbox.organization.put("expenses", attributes={"draft": n % 2 == 0}) for n in range(20)]
    office.sandbox.organization.remove("expenses", ids[3])
    for id_ in ids:
        await office.tell("expenses", "update", id_)
    await office.drain()
    assert await office.differences("expenses") == []
    assert (await office.rows("expenses"))[ids[3]].op == "delete"
    assert (await office.rows("expenses")).keys() == set(ids)
    assert len(office.sandbox.requests) <= 25


async def test_a_refused_include_is_refused_only_once_and_costs_only_its_own_column(office: Office) -> None:
    office.sandbox.faults.refused_includes = {"tasks": {"project"}}
    reader = office.reader()
    for id_ in office.sandbox.organization.ids("tasks")[:3]:
        await office.tell("tasks", "update", id_)
        await office.drain(reader)
    assert [request.status for request in office.sandbox.requests] == [400, 200, 200, 200]
    apart = await office.differences("tasks")
    assert {line.split(":")[0].split(".")[1] for line in apart} == {"project_id"}


async def test_a_record_that_is_gone_when_it_is_read_is_deleted(office: Office) -> None:
    id_ = office.sandbox.organization.put("tasks")
    await office.tell("tasks", "update", id_, whole=True)
    await office.tell("tasks", "update", id_)
    office.sandbox.organization.remove("tasks", id_)
    await office.drain()
    assert (await office.rows("tasks"))[id_].op == "delete"
    assert office.told.settled_() == {"published": 1, "deleted": 1}


@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize(("status", "code"), [(403, "forbidden"), (402, "no_plan"), (404, "route_not_found")])
async def test_what_may_not_be_read_is_set_aside_with_productives_reason(
    office: Office, status: int, code: str, count: int
) -> None:
    office.sandbox.faults.unavailable = {"tasks": (status, code)}
    for id_ in office.sandbox.organization.ids("tasks")[:count]:
        await office.tell("tasks", "update", id_)
    await office.drain()
    reasons = await office.dead()
    assert len(reasons) == count
    assert all(reason.startswith("tasks: ") for reason in reasons)
    assert await office.rows("tasks") == {}


async def test_a_dead_delivery_can_be_replayed_once_it_may_be_read(office: Office) -> None:
    office.sandbox.faults.unavailable = {"tasks": (403, "forbidden")}
    await office.tell("tasks", "update", first(office, "tasks"))
    await office.drain()
    office.sandbox.faults.unavailable = {}
    [letter] = await office.intake.dead_letters(limit=10)
    await office.intake.replay([letter.id])
    await office.drain()
    assert (await office.rows("tasks")).keys() == {first(office, "tasks")}


@pytest.mark.parametrize(
    ("event_id", "content"), [(1, b"<html>"), (1, b"{}"), (6, body("unicorn")), (1, b"\xff")]
)
async def test_what_makes_no_sense_is_set_aside_raw_as_it_came(
    office: Office, event_id: int, content: bytes
) -> None:
    await office.receive(event_id, content)
    await office.tell("tasks", "update", first(office, "tasks"))
    await office.drain()
    [letter] = await office.intake.dead_letters(limit=10)
    assert letter.message.body == content
    assert letter.message.attributes["event_id"] == str(event_id)
    assert office.told.settled_() == {"dead": 1, "reread": 1}


async def test_a_message_that_is_no_delivery_is_set_aside(office: Office) -> None:
    await office.intake.publish([Message(b"?", {"kind": "something else"}), Message(b"?")])
    await office.drain()
    assert len(await office.dead()) == 2


async def test_tests_of_our_own_and_unselected_tables_are_skipped(office: Office) -> None:
    await office.receive(1, body(event=TEST_EVENT))
    await office.receive(1, body("unicorn", event=TEST_EVENT))
    await office.receive(6, body("webhook", 1))
    await office.drain()
    assert office.told.settled_() == {"skipped": 3}
    assert office.sandbox.requests == []
    assert await office.dead() == []


async def test_archiving_keeps_the_row(office: Office) -> None:
    await office.tell("people", "archive", first(office, "people"))
    await office.drain()
    assert (await office.rows("people"))[first(office, "people")].op == "upsert"


async def test_a_change_while_its_record_is_being_read_is_read_too(office: Office) -> None:
    """The answer is already written when the record changes, and is still on its way when that is told."""
    titles = ["before", "after"]

    async def answer(_: Asked) -> web.StreamResponse:
        title = titles.pop(0)
        if title == "before":
            await office.tell("tasks", "update", "17")
            await office.told.two_waited.wait()
        attributes = {"title": title, "updated_at": "2026-09-23T18:46:58.988+02:00"}
        return reply({"data": {"id": "17", "type": "tasks", "attributes": attributes}})

    async with Server(answer) as server, open_client(office.sandbox, url=server.api_url) as client:
        await office.receive(24, body("task", 17))
        await office.drain(office.reader(client=client))
    assert titles == []
    assert (await office.rows("tasks"))["17"].data["title"] == "after"
