from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.sandbox import Sandbox
from services.sandbox.problems import Problem
from services.sandbox.query import cursor
from tests.sandbox.api import Api


def _cursor(link: str) -> str:
    return parse_qs(urlsplit(link).query)["page[after]"][0]


async def test_a_walk_shows_every_record_once(api: Api, sandbox: Sandbox) -> None:
    pages = await api.walk("time_entries", {"page[size]": 200})
    assert [record for page in pages for record in page.ids] == sandbox.organization.ids("time_entries")
    assert all(page.meta == {"page_size": 200, "max_page_size": 200} for page in pages)


@pytest.mark.parametrize("sort", ["date", "-date", "updated_at", "-updated_at"])
async def test_a_sorted_walk_shows_every_record_once(api: Api, sandbox: Sandbox, sort: str) -> None:
    pages = await api.walk("time_entries", {"page[size]": 99, "sort": sort})
    ids = [record for page in pages for record in page.ids]
    assert sorted(ids, key=int) == sandbox.organization.ids("time_entries")
    field = sort.removeprefix("-")
    values = [record["attributes"][field] for page in pages for record in page.data]
    assert values == sorted(values, reverse=sort.startswith("-")) or field == "updated_at"


async def test_a_walk_is_not_disturbed_by_what_is_deleted_behind_and_ahead(
    api: Api, sandbox: Sandbox
) -> None:
    before = sandbox.organization.ids("tasks")
    first = await api.get("tasks", {"page[after]": "", "page[size]": 20})
    for identifier in (before[0], before[19], before[25]):
        sandbox.organization.remove("tasks", identifier)
    second = await api.get(first.links["next"])
    assert second.ids == [identifier for identifier in before[20:41] if identifier != before[25]]


async def test_what_is_created_during_a_walk_comes_at_its_end(api: Api, sandbox: Sandbox) -> None:
    first = await api.get("tasks", {"page[after]": "", "page[size]": 200})
    new = sandbox.organization.put("tasks", attributes={"title": "New"})
    pages = [first]
    while "next" in pages[-1].links:
        pages.append(await api.get(pages[-1].links["next"]))
    assert pages[-1].ids[-1] == new


async def test_keys_of_cursor_links_are_printed_unencoded(api: Api, sandbox: Sandbox) -> None:
    link = (await api.get("tasks", {"page[after]": "", "page[size]": 3})).links["next"]
    assert link.startswith(f"{sandbox.url}/tasks?page[after]=")
    assert link.endswith("&page[size]=3")


async def test_a_cursor_whose_plus_is_not_encoded_is_invalid(api: Api) -> None:
    link = (await api.get("tasks", {"page[after]": "", "page[size]": 3})).links["next"]
    value = _cursor(link)
    good = await api.get("tasks", {"page[after]": value, "page[size]": 3})
    assert good.status == 200
    bad = await api.get(f"tasks?page[after]={value}&page[size]=3")
    assert (bad.status, bad.error["code"]) == (400, "keyset_invalid_cursor")


@pytest.mark.parametrize("path", ["projects", "tasks?sort=-id", "tasks?filter[status]=1"])
async def test_a_cursor_is_bound_to_its_endpoint_and_query(api: Api, path: str) -> None:
    link = (await api.get("tasks", {"page[after]": "", "page[size]": 3})).links["next"]
    path, _, query = path.partition("?")
    params = dict([query.split("=")] if query else [])
    reply = await api.get(path, {"page[after]": _cursor(link), **params})
    assert (reply.status, reply.error["code"]) == (400, "keyset_invalid_cursor")


async def test_a_cursor_and_a_page_number_conflict(api: Api) -> None:
    reply = await api.get("tasks", {"page[after]": "", "page[number]": 1})
    assert (reply.status, reply.error["code"]) == (400, "keyset_conflict")


@pytest.mark.parametrize("path", ["reports/booking_reports", "reports/timesheet_reports"])
async def test_reports_refuse_cursors(api: Api, path: str) -> None:
    reply = await api.get(path, {"page[after]": ""})
    assert (reply.status, reply.error["code"]) == (400, "keyset_unsupported_sort")
    assert (await api.get(path)).status == 200


async def test_a_sort_by_another_record_refuses_cursors(api: Api) -> None:
    reply = await api.get("time_entries", {"page[after]": "", "sort": "person_name"})
    assert (reply.status, reply.error["code"]) == (400, "keyset_unsupported_sort")
    assert (await api.get("time_entries", {"sort": "person_name"})).status == 200


_positions = st.lists(st.integers() | st.text() | st.booleans(), max_size=4)


@given(scope=st.binary(max_size=40), position=_positions)
def test_every_cursor_needs_encoding_and_comes_back_as_it_was(scope: bytes, position: list[object]) -> None:
    minted = cursor.mint(scope, position)
    assert set("+/=") <= set(minted)
    assert cursor.read(scope, minted) == position


@given(scope=st.binary(max_size=40), other=st.binary(max_size=40), position=_positions)
def test_no_cursor_fits_another_scope(scope: bytes, other: bytes, position: list[object]) -> None:
    if scope != other:
        with pytest.raises(Problem, match="keyset_invalid_cursor"):
            cursor.read(other, cursor.mint(scope, position))


@given(st.text())
def test_no_text_breaks_the_reading_of_cursors(text: str) -> None:
    with pytest.raises(Problem, match="keyset_invalid_cursor"):
        cursor.read(b"scope", text)
