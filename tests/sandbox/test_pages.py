from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from services.sandbox import Sandbox, SandboxSettings
from tests.sandbox.api import Api


async def test_a_page_has_thirty_records_unless_asked_otherwise(api: Api, sandbox: Sandbox) -> None:
    reply = await api.get("tasks")
    total = sandbox.organization.count("tasks")
    assert len(reply.data) == 30
    assert reply.meta == {
        "current_page": 1,
        "total_pages": -(-total // 30),
        "total_count": total,
        "page_size": 30,
        "max_page_size": 200,
    }


@pytest.mark.parametrize(("asked", "given"), [("1000", 200), ("200", 200), ("7", 7), ("0", 30), ("x", 30)])
async def test_the_page_size_is_cut_silently(api: Api, asked: str, given: int) -> None:
    assert (await api.get("time_entries", {"page[size]": asked})).meta["page_size"] == given


async def test_per_page_is_honoured_too(api: Api) -> None:
    assert len((await api.get("tasks", {"per_page": "3"})).data) == 3


async def test_numbered_pages_show_every_record_once(api: Api, sandbox: Sandbox) -> None:
    seen: list[str] = []
    link: str | None = f"{sandbox.url}/time_entries?page[size]=100"
    while link:
        reply = await api.get(link)
        seen += reply.ids
        link = reply.links.get("next")
    assert seen == sandbox.organization.ids("time_entries")


async def test_links_are_absolute_encoded_and_echo_the_query(api: Api, sandbox: Sandbox) -> None:
    reply = await api.get("tasks", {"page[size]": 2, "page[number]": 2, "sort": "-id", "filter[status]": "1"})
    base = f"{sandbox.url}/tasks?sort=-id&filter%5Bstatus%5D=1"
    assert reply.links["first"] == f"{base}&page%5Bnumber%5D=1&page%5Bsize%5D=2"
    assert reply.links["prev"] == f"{base}&page%5Bnumber%5D=1&page%5Bsize%5D=2"
    assert reply.links["next"] == f"{base}&page%5Bnumber%5D=3&page%5Bsize%5D=2"


async def test_an_empty_list_has_no_pages(api: Api) -> None:
    reply = await api.get("tasks", {"filter[id]": "1"})
    assert reply.data == []
    assert (reply.meta["total_pages"], reply.meta["total_count"]) == (0, 0)
    assert "next" not in reply.links


async def test_numbered_pages_shift_when_a_record_goes(api: Api, sandbox: Sandbox) -> None:
    all_ids = sandbox.organization.ids("tasks")
    first = await api.get("tasks", {"page[size]": 10, "page[number]": 1})
    sandbox.organization.remove("tasks", first.ids[0])
    second = await api.get("tasks", {"page[size]": 10, "page[number]": 2})
    assert all_ids[10] not in first.ids + second.ids


@pytest.fixture
async def newest_first() -> AsyncIterator[Api]:
    async with Sandbox(SandboxSettings(people=2, newest_first=True)) as sandbox, Api(sandbox) as api:
        yield api


async def test_lists_can_begin_with_the_newest(newest_first: Api) -> None:
    ids = newest_first.sandbox.organization.ids("tasks")
    assert (await newest_first.get("tasks", {"page[size]": 5})).ids == ids[::-1][:5]
    walked = [record for page in await newest_first.walk("tasks", {"page[size]": 50}) for record in page.ids]
    assert walked == ids[::-1]
