from __future__ import annotations

import pytest

from services.sandbox import Sandbox
from services.sandbox.schema import load_schema
from services.sandbox.zone import instant
from tests.sandbox.api import Api


@pytest.mark.parametrize(
    ("path", "sort"),
    [("people", "created_at"), ("people", "id"), ("time_entries", "created_at"), ("salaries", "started_on")],
)
async def test_an_unsupported_sort_is_refused_with_a_word_for_a_status(
    api: Api, path: str, sort: str
) -> None:
    reply = await api.get(path, {"sort": sort})
    assert reply.status == 400
    assert (reply.error["code"], reply.error["status"]) == ("sort_param_unsupported", "unprocessable_content")


async def test_times_are_sorted_in_both_directions(api: Api) -> None:
    for sort, reverse in (("updated_at", False), ("-updated_at", True)):
        reply = await api.get("tasks", {"sort": sort, "page[size]": 200})
        times = [instant(record["attributes"]["updated_at"]) for record in reply.data]
        assert times == sorted(times, reverse=reverse)


async def test_nulls_come_last_and_first_when_descending(api: Api) -> None:
    rising = [
        record["attributes"]["closed_at"] for record in (await api.get("deals", {"sort": "closed_at"})).data
    ]
    falling = await api.get("deals", {"sort": "-closed_at", "page[size]": 200})
    values = [record["attributes"]["closed_at"] for record in falling.data]
    assert rising[0] is not None
    assert values[0] is None
    assert values[-1] is not None


async def test_several_sorts_decide_one_after_another(api: Api) -> None:
    reply = await api.get("deal_statuses", {"sort": "status_id,-position"})
    keys = [(record["attributes"]["status_id"], -record["attributes"]["position"]) for record in reply.data]
    assert keys == sorted(keys)


async def test_every_documented_sort_is_served(api: Api, sandbox: Sandbox) -> None:
    sandbox.faults.boards_missing = False
    for resource in load_schema():
        if not resource.listable:
            continue
        for sort in sorted(resource.sorts):
            reply = await api.get(resource.path, {"sort": f"-{sort}", "page[size]": 5})
            assert reply.status == 200, (resource.name, sort)
