from __future__ import annotations

import asyncio

import aiohttp
import pytest

from services.sandbox import Sandbox
from tests.sandbox.api import Api


@pytest.mark.parametrize(
    ("status", "code"), [(402, "payment_required"), (403, "forbidden"), (404, "not_found")]
)
async def test_a_table_can_be_unavailable(api: Api, sandbox: Sandbox, status: int, code: str) -> None:
    sandbox.faults.unavailable["invoices"] = (status, code)
    reply = await api.get("invoices")
    assert (reply.status, reply.error["code"], reply.error["status"]) == (status, code, str(status))
    assert (await api.get("tasks")).status == 200


async def test_cursors_can_be_refused_for_a_table(api: Api, sandbox: Sandbox) -> None:
    sandbox.faults.no_cursor.add("tasks")
    assert (await api.get("tasks", {"page[after]": ""})).error["code"] == "keyset_unsupported_sort"
    assert (await api.get("projects", {"page[after]": ""})).status == 200


async def test_cursors_can_be_ignored(api: Api, sandbox: Sandbox) -> None:
    sandbox.faults.ignores_cursor.add("*")
    reply = await api.get("tasks", {"page[after]": "", "page[size]": 10})
    assert reply.meta["total_count"] == sandbox.organization.count("tasks")
    assert "page%5Bnumber%5D=2" in reply.links["next"]
    assert "after" not in reply.links["next"]


@pytest.mark.parametrize("names", [True, False])
async def test_includes_can_be_refused_by_name_or_without(api: Api, sandbox: Sandbox, names: bool) -> None:
    sandbox.faults.refused_includes["tasks"] = {"assignee"}
    sandbox.faults.names_refused_include = names
    reply = await api.get("tasks", {"include": "project,assignee"})
    assert (reply.status, reply.error["title"]) == (400, "Unsupported Include")
    assert ("assignee" in reply.error["detail"]) is names
    assert (await api.get("tasks", {"include": "project"})).status == 200


async def test_an_include_can_be_refused_by_its_whole_path(api: Api, sandbox: Sandbox) -> None:
    sandbox.faults.refused_includes["tasks"] = {"project.company"}
    assert (await api.get("tasks", {"include": "project.company"})).status == 400
    assert (await api.get("tasks", {"include": "project.workflow"})).status == 200
    assert (await api.get("projects", {"include": "company"})).status == 200


@pytest.mark.parametrize(
    ("refused", "sent"),
    [
        ("filter[updated_at]", "filter[updated_at][gt_eq]"),
        ("filter[updated_at]", "filter[0][updated_at][gt_eq]"),
        ("fields", "fields[tasks]"),
        ("sort", "sort"),
        ("page[size]", "page[size]"),
    ],
)
async def test_parameters_can_be_refused(api: Api, sandbox: Sandbox, refused: str, sent: str) -> None:
    sandbox.faults.refused_params["tasks"] = {refused}
    reply = await api.get("tasks", {sent: "2026-11-01"})
    assert (reply.status, reply.error["code"]) == (400, "unsupported_param")
    assert (await api.get("tasks", {"filter[id]": "1"})).status == 200


async def test_refusals_can_be_422(api: Api, sandbox: Sandbox) -> None:
    sandbox.faults.status_code = 422
    for params in ({"filter[nonsense]": "1"}, {"sort": "nonsense"}, {"include": "nonsense"}):
        assert (await api.get("tasks", params)).status == 422


async def test_the_next_requests_can_fail(api: Api, sandbox: Sandbox) -> None:
    sandbox.faults.errors_5xx["tasks"] = 3
    statuses = [(await api.get("tasks")).status for _ in range(4)]
    assert sorted(statuses[:3]) == [500, 502, 503]
    assert statuses[3] == 200


async def test_every_third_request_can_fail(api: Api, sandbox: Sandbox) -> None:
    sandbox.faults.errors_5xx_every = 3
    assert [(await api.get("tasks")).status for _ in range(6)] == [200, 200, 503, 200, 200, 503]


async def test_bodies_can_be_cut(api: Api, sandbox: Sandbox) -> None:
    sandbox.faults.cut_bodies = 1
    with pytest.raises(aiohttp.ClientPayloadError):
        await api.get("tasks")
    assert (await api.get("tasks")).status == 200


async def test_a_request_can_hang_until_the_client_gives_up(api: Api, sandbox: Sandbox) -> None:
    sandbox.faults.hang = 1
    hanging = asyncio.create_task(api.get("tasks"))
    while sandbox.faults.hang:  # noqa: ASYNC110 -- the counter is the only sign of the request
        await asyncio.sleep(0)
    assert (await api.get("tasks")).status == 200
    hanging.cancel()
    await asyncio.gather(hanging, return_exceptions=True)
    while len(sandbox.requests) < 2:  # noqa: ASYNC110 -- the server notices the loss by itself
        await asyncio.sleep(0.001)
    assert [request.status for request in sandbox.requests] == [200, 0]


async def test_an_answer_can_be_garbage(api: Api, sandbox: Sandbox) -> None:
    sandbox.faults.garbage = 1
    reply = await api.get("tasks")
    assert (reply.status, reply.headers["Content-Type"]) == (200, "text/html")
    assert reply.body.startswith(b"<!doctype html>")


async def test_records_can_have_attributes_that_nobody_knows(api: Api, sandbox: Sandbox) -> None:
    sandbox.faults.extra_attributes["tasks"] = {"mood": "sunny"}
    assert all(record["attributes"]["mood"] == "sunny" for record in (await api.get("tasks")).data)
    first = next(record for record in (await api.get("projects")).data)
    assert "mood" not in first["attributes"]
    sandbox.faults.extra_attributes.clear()
    assert all("mood" not in record["attributes"] for record in (await api.get("tasks")).data)


async def test_single_records_can_have_weird_values(api: Api, sandbox: Sandbox) -> None:
    identifier = sandbox.organization.ids("tasks")[0]
    await api.get("tasks")
    sandbox.faults.overrides[("tasks", identifier)] = {"title": {"not": "a text"}}
    reply = await api.get("tasks")
    assert reply.data[0]["attributes"]["title"] == {"not": "a text"}
    assert isinstance(reply.data[1]["attributes"]["title"], str)


@pytest.mark.parametrize("params", [{"page[after]": ""}, {"page[number]": "2"}])
async def test_links_can_repeat_themselves(api: Api, sandbox: Sandbox, params: dict[str, str]) -> None:
    sandbox.faults.repeat_links.add("tasks")
    first = await api.get("tasks", {"page[size]": 5, **params})
    second = await api.get(first.links["next"])
    assert second.ids == first.ids
    assert second.links["next"] == first.links["next"]


@pytest.mark.parametrize("params", [{"page[after]": ""}, {"page[number]": "1"}])
async def test_links_can_lead_to_another_host(api: Api, sandbox: Sandbox, params: dict[str, str]) -> None:
    sandbox.faults.foreign_links.add("tasks")
    link = (await api.get("tasks", {"page[size]": 5, **params})).links["next"]
    assert link.startswith("http://productive.elsewhere.invalid/api/v2/tasks?")


async def test_a_table_can_redirect(api: Api, sandbox: Sandbox) -> None:
    sandbox.faults.redirects["tasks"] = "http://productive.elsewhere.invalid/"
    reply = await api.get("tasks")
    assert (reply.status, reply.headers["Location"]) == (302, "http://productive.elsewhere.invalid/")


async def test_the_date_header_can_be_wrong(api: Api, sandbox: Sandbox) -> None:
    assert (await api.get("tasks")).headers["Date"] == "Sat, 21 Nov 2026 08:00:00 GMT"
    sandbox.faults.date_skew_seconds = 7_200
    assert (await api.get("tasks")).headers["Date"] == "Sat, 21 Nov 2026 10:00:00 GMT"


@pytest.mark.parametrize("reset", ["2", None])
async def test_requests_can_be_too_many_on_demand(api: Api, sandbox: Sandbox, reset: str | None) -> None:
    sandbox.faults.too_many, sandbox.faults.too_many_reset = 1, reset
    reply = await api.get("tasks")
    assert (reply.status, reply.headers.get("X-RateLimit-Reset")) == (429, reset)
    assert (await api.get("tasks")).status == 200
