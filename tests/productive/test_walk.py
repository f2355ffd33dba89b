from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

import msgspec
import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.catalog.model import Table
from shared.errors import ProtocolError, UnreachableError
from shared.productive import (
    Learned,
    ListQuery,
    Position,
    ProductiveClient,
    RetryPolicy,
    Unavailable,
    WalkedPage,
    walk,
)
from tests.productive.server import Api, Asked, Handler, page, refused, reply, script, table

SIZE = 200


async def collect(client: ProductiveClient, into: list[object]) -> None:
    async for step in walk(client, ListQuery.of(table())):
        assert isinstance(step, WalkedPage)
        into += ids([step])


async def pages_of(
    client: ProductiveClient,
    of: Table,
    *,
    start: Position | None = None,
    learned: Learned | None = None,
    query: ListQuery | None = None,
) -> list[WalkedPage]:
    """All pages; every position is stored and read back on the way."""
    pages: list[WalkedPage] = []
    async for step in walk(client, query or ListQuery.of(of), start=start, learned=learned):
        assert isinstance(step, WalkedPage)
        assert msgspec.json.decode(msgspec.json.encode(step.next), type=Position | None) == step.next
        pages.append(step)
    return pages


def ids(pages: Sequence[WalkedPage]) -> list[object]:
    return [resource["id"] for p in pages for resource in p.resources]


def by_cursor(rows: Callable[[], Sequence[int]], size: int = SIZE) -> Handler:
    """A list with cursors: after the row with that id."""

    def handle(asked: Asked) -> web.Response:
        if "page[number]" in asked.query:
            return refused(400, code="keyset_conflict", detail="both")
        after = int(asked.query["page[after]"].strip("c+=") or 0)
        left = [row for row in rows() if row > after]
        link = (
            f"/api/v2/deals?page[after]=c+{left[size - 1]}=&page[size]={size}" if len(left) > size else None
        )
        return page(left[:size], next_link=link, page_size=size, max_page_size=SIZE)

    return handle


def by_number(
    rows: Callable[[], Sequence[int]], size: int = SIZE, *, code: str | None = "keyset_unsupported_sort"
) -> Handler:
    """A list with page numbers; a cursor is refused with `code`, or ignored when that is None."""

    def handle(asked: Asked) -> web.Response:
        if "page[after]" in asked.query and code is not None:
            return refused(400, code=code, detail="cursor pagination is not supported here")
        number = int(asked.query.get("page[number]", 1))
        listed = rows()
        total_pages = -(-len(listed) // size)
        link = f"/api/v2/deals?page%5Bnumber%5D={number + 1}" if number < total_pages else None
        return page(
            listed[(number - 1) * size : number * size],
            next_link=link,
            total_count=len(listed),
            current_page=number,
            total_pages=total_pages,
        )

    return handle


async def test_a_list_is_walked_by_cursor_to_its_end(api: Api) -> None:
    client, server = await api.open(by_cursor(lambda: range(1, 451)))
    pages = await pages_of(client, table())
    assert ids(pages) == list(range(1, 451))
    assert [p.next for p in pages] == [
        Position(cursor="c+200=", seen=200),
        Position(cursor="c+400=", seen=400),
        None,
    ]
    assert [a.query["page[after]"] for a in server.asked] == ["", "c+200=", "c+400="]
    assert {a.query["page[size]"] for a in server.asked} == {"200"}
    assert all(p.settled and not p.restarted and p.learned == Learned() for p in pages)


async def test_an_empty_list_is_one_empty_page(api: Api) -> None:
    client, server = await api.open(by_cursor(list))
    (only,) = await pages_of(client, table())
    assert (only.resources, only.next, only.settled) == ([], None, True)
    assert len(server.asked) == 1


@pytest.mark.parametrize("count", [0, 1, 199, 200, 201, 400, 401])
async def test_no_request_is_wasted(api: Api, count: int) -> None:
    client, server = await api.open(by_cursor(lambda: range(1, count + 1)))
    assert len(ids(await pages_of(client, table()))) == count
    assert len(server.asked) == max(1, -(-count // SIZE))


async def test_a_walk_goes_on_where_it_was_interrupted(api: Api) -> None:
    client, server = await api.open(by_cursor(lambda: range(1, 651)))
    stored = (await pages_of(client, table()))[1].next
    del server.asked[:]
    pages = await pages_of(client, table(), start=stored)
    assert ids(pages) == list(range(401, 651))
    assert not pages[0].restarted
    assert len(server.asked) == 2


async def test_an_endpoint_without_cursor_is_walked_by_page_numbers_from_then_on(api: Api) -> None:
    client, server = await api.open(by_number(lambda: range(1, 451)))
    pages = await pages_of(client, table())
    assert ids(pages) == list(range(1, 451))
    assert [(p.total, p.settled, p.restarted) for p in pages] == [(450, True, False)] * 3
    assert pages[0].learned == Learned(no_cursor=True)
    del server.asked[:]
    await pages_of(client, table(), learned=pages[-1].learned)
    assert [a.query["page[number]"] for a in server.asked] == ["1", "2", "3"]


async def test_no_cursor_is_tried_where_it_is_known_to_be_refused(api: Api) -> None:
    client, server = await api.open(by_number(lambda: [1]))
    assert ids(await pages_of(client, table(cursor=False))) == [1]
    assert len(server.asked) == 1


async def test_an_endpoint_that_ignores_the_cursor_is_followed_by_page_numbers(api: Api) -> None:
    client, server = await api.open(by_number(lambda: range(1, 451), code=None))
    pages = await pages_of(client, table())
    assert ids(pages) == list(range(1, 451))
    assert not any(p.restarted for p in pages)
    assert pages[-1].learned.no_cursor
    assert len(server.asked) == 3


async def test_an_ignored_cursor_is_noticed_without_links_as_well(api: Api) -> None:
    def handle(asked: Asked) -> web.Response:
        number = int(asked.query.get("page[number]", 1))
        return page([number], current_page=number, total_pages="3", total_count="3")

    client, _ = await api.open(handle)
    assert ids(await pages_of(client, table())) == [1, 2, 3]


async def test_a_walk_by_page_numbers_uses_the_stable_order_from_its_first_page(api: Api) -> None:
    client, server = await api.open(by_number(lambda: range(1, 301), code=None))
    pages = await pages_of(client, table(stable_sort="id"))
    assert ids(pages) == list(range(1, 301))
    assert [a.query.get("sort") for a in server.asked] == [None, "id", "id"]
    assert not any(p.restarted for p in pages)


async def test_a_walk_by_cursor_asks_for_no_order(api: Api) -> None:
    client, server = await api.open(by_cursor(lambda: [1]))
    await pages_of(client, table(stable_sort="id"))
    assert "sort" not in server.asked[0].query


async def test_a_refused_stable_order_is_left_out(api: Api) -> None:
    numbered = by_number(lambda: range(1, 301))

    def handle(asked: Asked) -> web.StreamResponse:
        if "sort" in asked.query:
            return refused(400, code="sort_param_unsupported", title="Sort param unsupported")
        answer = numbered(asked)
        assert isinstance(answer, web.StreamResponse)
        return answer

    client, _ = await api.open(handle)
    pages = await pages_of(client, table(stable_sort="id"))
    assert ids(pages) == list(range(1, 301))
    assert pages[0].learned == Learned(no_cursor=True, refused_sorts=("id",))


async def test_a_cursor_that_is_refused_for_an_order_is_still_asked_for_without_it(api: Api) -> None:
    numbered, cursored = by_number(lambda: range(1, 301)), by_cursor(lambda: range(1, 301))
    client, server = await api.open(lambda asked: (numbered if "sort" in asked.query else cursored)(asked))
    query = ListQuery.of(table(), sort="-updated_at")
    first = await pages_of(client, table(), query=query)
    assert first[0].learned == Learned(no_sorted_cursor=True)
    await pages_of(client, table(), query=query, learned=first[0].learned)
    assert ["page[after]" in asked.query for asked in server.asked] == [True, False, False, False, False]
    pages = await pages_of(client, table(), learned=first[0].learned)
    assert ids(pages) == list(range(1, 301))
    assert all("page[after]" in asked.query for asked in server.asked[5:])


async def test_without_meta_and_links_a_full_page_means_that_there_may_be_more(api: Api) -> None:
    def handle(asked: Asked) -> web.Response:
        number = int(asked.query["page[number]"])
        return page(range(number * 1_000, number * 1_000 + (SIZE if number < 3 else 7)))

    client, server = await api.open(handle)
    assert len(ids(await pages_of(client, table(cursor=False)))) == 2 * SIZE + 7
    assert len(server.asked) == 3


async def test_a_list_that_changes_under_a_walk_by_page_numbers_is_walked_again(api: Api) -> None:
    rows = list(range(1, 501))
    numbered = by_number(lambda: rows, code=None)

    def handle(asked: Asked) -> web.StreamResponse:
        answer = numbered(asked)
        assert isinstance(answer, web.StreamResponse)
        if len(server.asked) == 2:
            rows.remove(3)
        return answer

    client, server = await api.open(handle)
    pages = await pages_of(client, table(cursor=False))
    assert [p.restarted for p in pages] == [False, False, False, True, False, False]
    assert set(ids(pages[3:])) == set(rows)
    assert pages[-1].settled


async def test_a_row_that_slips_onto_the_next_page_is_noticed_though_the_total_is_the_same(api: Api) -> None:
    rows = list(range(1, 401))

    numbered = by_number(lambda: rows, code=None)

    def handle(asked: Asked) -> web.StreamResponse:
        answer = numbered(asked)
        assert isinstance(answer, web.StreamResponse)
        if len(server.asked) == 1:
            rows.insert(0, 401)
            rows.remove(400)
        return answer

    client, server = await api.open(handle)
    pages = await pages_of(client, table(cursor=False))
    assert [p.restarted for p in pages] == [False, False, True, False]
    assert set(ids(pages[2:])) == set(rows)
    assert pages[-1].settled


async def test_a_list_that_never_holds_still_ends_unsettled(api: Api) -> None:
    rows = list(range(1, 402))
    numbered = by_number(lambda: rows, code=None)

    def handle(asked: Asked) -> web.StreamResponse:
        rows.append(rows[-1] + 1)
        answer = numbered(asked)
        assert isinstance(answer, web.StreamResponse)
        return answer

    client, server = await api.open(handle)
    pages = await pages_of(client, table(cursor=False))
    assert pages[-1].next is None
    assert not pages[-1].settled
    assert all(p.settled for p in pages[:-1])
    assert sum(p.restarted for p in pages) == 2
    assert len(server.asked) <= 9


async def test_a_list_that_never_sums_up_is_not_walked_three_times_each_time(api: Api) -> None:
    client, server = await api.open(lambda _: page([1, 2], total_count=5, total_pages=1))
    first = await pages_of(client, table(cursor=False))
    assert [p.settled for p in first] == [True, True, False]
    assert first[-1].learned == Learned(restless=True)
    (again,) = await pages_of(client, table(cursor=False), learned=first[-1].learned)
    assert not again.settled
    assert len(server.asked) == 4


async def test_a_list_that_holds_still_again_is_trusted_again(api: Api) -> None:
    client, _ = await api.open(by_number(lambda: [1, 2]))
    (only,) = await pages_of(client, table(cursor=False), learned=Learned(restless=True))
    assert only.settled
    assert only.learned == Learned()


async def test_a_single_record_where_a_list_was_asked_for_is_a_list_of_one(api: Api) -> None:
    client, _ = await api.open(lambda _: reply({"data": {"id": "4711", "type": "organizations"}}))
    (only,) = await pages_of(client, table())
    assert ids([only]) == ["4711"]


async def test_a_disturbed_walk_is_known_to_be_after_it_was_interrupted(api: Api) -> None:
    client, _ = await api.open(by_number(lambda: range(1, 401), code=None))
    start = Position(page=2, seen=200, total=399, last_ids=("200",), walk=3)
    (last,) = await pages_of(client, table(cursor=False), start=start)
    assert not last.settled
    start = Position(page=2, seen=200, total=400, last_ids=("201",), walk=3)
    (last,) = await pages_of(client, table(cursor=False), start=start)
    assert not last.settled
    start = Position(page=2, seen=200, total=400, last_ids=("200",), walk=3)
    (last,) = await pages_of(client, table(cursor=False), start=start)
    assert last.settled


async def test_a_walk_that_was_interrupted_before_it_began_again_says_that_it_did(api: Api) -> None:
    client, _ = await api.open(by_number(lambda: [1], code=None))
    (only,) = await pages_of(client, table(cursor=False), start=Position(page=1, walk=2))
    assert only.restarted


async def test_a_cursor_that_is_no_longer_good_begins_the_list_again(api: Api) -> None:
    cursors = by_cursor(lambda: range(1, 301))

    def handle(asked: Asked) -> web.StreamResponse:
        if asked.query["page[after]"] == "stale":
            return refused(400, code="keyset_invalid_cursor", title="Invalid cursor")
        answer = cursors(asked)
        assert isinstance(answer, web.StreamResponse)
        return answer

    client, _ = await api.open(handle)
    pages = await pages_of(client, table(), start=Position(cursor="stale", seen=4_000))
    assert ids(pages) == list(range(1, 301))
    assert [p.restarted for p in pages] == [True, False]
    assert pages[-1].learned == Learned()


async def test_cursors_that_are_never_good_end_the_walk(api: Api) -> None:
    def handle(asked: Asked) -> web.Response:
        if asked.query["page[after]"]:
            return refused(400, code="keyset_invalid_cursor", title="Invalid cursor")
        return page([1], next_link="/api/v2/deals?page[after]=x")

    client, server = await api.open(handle)
    with pytest.raises(ProtocolError, match="begun again too often"):
        await pages_of(client, table())
    assert len(server.asked) < 10


async def test_a_stored_cursor_means_nothing_once_the_endpoint_takes_none(api: Api) -> None:
    client, _ = await api.open(by_number(lambda: [1, 2]))
    learned = Learned(no_cursor=True)
    (only,) = await pages_of(client, table(), start=Position(cursor="abc", seen=200), learned=learned)
    assert ids([only]) == [1, 2]
    assert only.restarted


async def test_a_cursor_refused_in_the_middle_begins_again_by_page_numbers(api: Api) -> None:
    def handle(asked: Asked) -> web.Response:
        if asked.query.get("page[after]") == "":
            return page([1], next_link="/api/v2/deals?page[after]=x")
        if "page[after]" in asked.query:
            return refused(400, code="keyset_unsupported_sort")
        return page([1, 2], total_count=2, total_pages=1, current_page=1)

    client, _ = await api.open(handle)
    pages = await pages_of(client, table())
    assert [(ids([p]), p.restarted) for p in pages] == [([1], False), ([1, 2], True)]


@pytest.mark.parametrize("link", ["/api/v2/deals?page[after]=x", "/api/v2/deals?page%5Bafter%5D=x"])
async def test_a_link_that_leads_back_ends_the_walk(api: Api, link: str) -> None:
    client, server = await api.open(lambda _: page([1], next_link=link))
    with pytest.raises(ProtocolError, match="leads back"):
        await pages_of(client, table())
    assert len(server.asked) == 2


async def test_a_longer_circle_of_links_ends_the_walk_too(api: Api) -> None:
    following = {"": "a", "a": "b", "b": "c", "c": "a"}

    def handle(asked: Asked) -> web.Response:
        return page([1], next_link=f"/api/v2/deals?page[after]={following[asked.query['page[after]']]}")

    client, server = await api.open(handle)
    with pytest.raises(ProtocolError, match="leads back"):
        await pages_of(client, table())
    assert len(server.asked) == 4


async def test_page_numbers_that_lead_back_end_the_walk(api: Api) -> None:
    client, _ = await api.open(lambda _: page(next_link="/api/v2/deals?page[number]=1"))
    with pytest.raises(ProtocolError, match="leads back"):
        await pages_of(client, table(cursor=False))


async def test_a_link_without_a_page_ends_the_walk(api: Api) -> None:
    client, _ = await api.open(lambda _: page([1], next_link="/api/v2/deals?filter[x]=1"))
    with pytest.raises(ProtocolError, match="names no page"):
        await pages_of(client, table())


async def test_a_link_to_another_host_ends_the_walk_and_keeps_what_came(api: Api) -> None:
    elsewhere = await api.serve(lambda _: page())
    client, server = await api.open(
        script(
            lambda: page([1], next_link="/api/v2/deals?page[after]=x"),
            lambda: page([2], next_link=f"{elsewhere.api_url}/deals?page[after]=y"),
        )
    )
    got: list[object] = []
    with pytest.raises(ProtocolError) as error:
        await collect(client, got)
    assert got == [1]
    assert server.root in str(error.value)
    assert elsewhere.root in str(error.value)
    assert elsewhere.asked == []


async def test_empty_pages_are_passed_through_to_the_next(api: Api) -> None:
    client, _ = await api.open(
        script(
            lambda: page([], next_link="/api/v2/deals?page[after]=a"),
            lambda: page([], next_link="/api/v2/deals?page[after]=b"),
            lambda: page([1]),
        )
    )
    assert ids(await pages_of(client, table())) == [1]


async def test_empty_pages_without_end_end_the_walk(api: Api) -> None:
    def handle(asked: Asked) -> web.Response:
        return page([], next_link=f"/api/v2/deals?page[after]=x{asked.query['page[after]']}")

    client, server = await api.open(handle)
    with pytest.raises(ProtocolError, match="empty pages"):
        await pages_of(client, table())
    assert len(server.asked) < 30


async def test_a_list_that_is_not_to_be_had_is_said_as_a_value(api: Api) -> None:
    client, _ = await api.open(lambda _: refused(403, title="Forbidden"))
    steps = [step async for step in walk(client, ListQuery.of(table()))]
    assert [type(step) for step in steps] == [Unavailable]


async def test_a_list_whose_records_are_said_not_to_be_found_is_not_to_be_had(api: Api) -> None:
    client, _ = await api.open(lambda _: refused(404, code="record_not_found"))
    (step,) = [step async for step in walk(client, ListQuery.of(table()))]
    assert isinstance(step, Unavailable)


async def test_a_list_that_gets_lost_on_the_way_ends_with_that(api: Api) -> None:
    client, _ = await api.open(
        script(
            lambda: page([1], next_link="/api/v2/deals?page[after]=x"),
            lambda: refused(403, title="Forbidden"),
        )
    )
    steps = [step async for step in walk(client, ListQuery.of(table()))]
    assert [type(step) for step in steps] == [WalkedPage, Unavailable]


async def test_an_outage_keeps_what_came_before(api: Api) -> None:
    server = await api.serve(
        script(lambda: page([1], next_link="/api/v2/deals?page[after]=x"), lambda: web.Response(status=503))
    )
    client = await api.client(server, retry=RetryPolicy(attempts=2))
    got: list[object] = []
    with pytest.raises(UnreachableError):
        await collect(client, got)
    assert got == [1]


async def test_ids_may_be_numbers_texts_or_missing(api: Api) -> None:
    client, _ = await api.open(lambda _: page([1, "2", None], total_count="3", total_pages="1"))
    (only,) = await pages_of(client, table(cursor=False))
    assert only.settled


@given(st.integers(0, 60), st.integers(1, 9), st.booleans(), st.integers(0, 60))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_every_record_comes_once_wherever_a_walk_is_interrupted(
    count: int, size: int, numbered: bool, stop_after: int
) -> None:
    async with AsyncExitStack() as stack:
        api = Api(stack)
        rows = range(1, count + 1)
        handler = by_number(lambda: rows, size) if numbered else by_cursor(lambda: rows, size)
        client, _ = await api.open(handler)
        first: list[WalkedPage] = []
        async for step in walk(client, ListQuery.of(table())):
            assert isinstance(step, WalkedPage)
            first.append(step)
            if len(first) > stop_after:
                break
        rest: list[WalkedPage] = []
        if first[-1].next is not None:
            rest = await pages_of(client, table(), start=first[-1].next, learned=first[-1].learned)
        assert ids([*first, *rest]) == list(rows)
        assert [*first, *rest][-1].settled
