from __future__ import annotations

import re
from collections.abc import Collection

import pytest
from aiohttp import web

from shared.errors import ProtocolError
from shared.productive import (
    Learned,
    ListQuery,
    Page,
    Unavailable,
    WalkedPage,
    changed_between,
    read_one,
    read_page,
    total_count,
    walk,
)
from tests.productive.server import Api, Asked, Handler, page, refused, reply, script, table


def refusing(
    *,
    includes: Collection[str] = (),
    filters: Collection[str] = (),
    fieldsets: bool = False,
    together: Collection[str] = (),
    named: bool = True,
    status: int = 400,
) -> Handler:
    """A list that refuses these; `together` are includes refused only when all are asked for."""

    def handle(asked: Asked) -> web.Response:
        wanted = [name for name in asked.query.get("include", "").split(",") if name]
        bad = [name for name in wanted if name in includes]
        if together and set(together) <= set(wanted):
            return refused(status, title="Unsupported Include")
        if bad:
            said = f"Include '{bad[0]}' is not supported on this endpoint" if named else "try again"
            return refused(status, title="Unsupported Include", detail=said)
        for key in asked.query:
            name = re.sub(r"^filter\[(?:\d+\]\[)?([^\]]+)\].*", r"\1", key)
            if key.startswith("filter[") and name in filters:
                said = f"Filter {name} is not supported on this endpoint" if named else "no"
                return refused(status, title="Unsupported Filter", detail=said)
            if key.startswith("fields[") and fieldsets:
                source = {"parameter": key} if named else None
                return refused(status, title="Bad Request", detail="is invalid", source=source)
        return page(["1"], total_count=1)

    return handle


async def learned_by(api: Api, handler: Handler, query: ListQuery, learned: Learned | None = None) -> Learned:
    client, server = await api.open(handler)
    (step,) = [step async for step in walk(client, query, learned=learned)]
    assert isinstance(step, WalkedPage)
    assert [r["id"] for r in step.resources] == ["1"]
    asked = len(server.asked)
    (again,) = [step async for step in walk(client, query, learned=step.learned)]
    assert isinstance(again, WalkedPage)
    assert again.learned == step.learned
    assert len(server.asked) == asked + 1, "what was learnt should save the negotiation"
    return step.learned


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize("named", [True, False])
async def test_just_the_refused_includes_are_dropped(api: Api, named: bool, status: int) -> None:
    handler = refusing(includes={"b", "d"}, named=named, status=status)
    learned = await learned_by(api, handler, ListQuery.of(table("a", "b", "c", "d")))
    assert learned == Learned(refused_includes=("b", "d"))


async def test_includes_that_are_refused_only_together_lose_as_few_as_possible(api: Api) -> None:
    learned = await learned_by(api, refusing(together={"a", "c"}), ListQuery.of(table("a", "b", "c", "d")))
    assert learned == Learned(refused_includes=("c",))


async def test_probes_for_refused_includes_are_small_and_bounded(api: Api) -> None:
    names = [f"relation_{i}" for i in range(12)]
    client, server = await api.open(refusing(includes={names[3], names[7]}, named=False))
    assert [s async for s in walk(client, ListQuery.of(table(*names)))]
    probes = server.asked[1:-1]
    assert len(probes) == 12
    assert {a.query["page[size]"] for a in probes} == {"1"}
    assert not any(key.startswith("fields[") for a in probes for key in a.query)


@pytest.mark.parametrize("named", [True, False])
async def test_just_the_refused_filters_are_dropped(api: Api, named: bool) -> None:
    query = ListQuery.of(
        table("a", params={"filter[with_draft]": "true"}), filters=changed_between("updated_at", 0, 10**6)
    )
    learned = await learned_by(api, refusing(filters={"updated_at"}, named=named), query)
    assert learned == Learned(refused_filters=("updated_at",))
    assert query.filters_in_force(learned) == ()
    assert query.filter_names(learned) == ("with_draft",)


@pytest.mark.parametrize("named", [True, False])
async def test_refused_fieldsets_are_dropped(api: Api, named: bool) -> None:
    learned = await learned_by(api, refusing(fieldsets=True, named=named), ListQuery.of(table("a", "b")))
    assert learned == Learned(no_fieldsets=True)


async def test_several_refusals_are_met_one_after_the_other(api: Api) -> None:
    handler = refusing(includes={"a"}, filters={"x"}, fieldsets=True, named=False)
    query = ListQuery.of(table("a", "b"), filters=(("filter[x]", "1"), ("filter[y]", "2")))
    learned = await learned_by(api, handler, query)
    assert learned == Learned(refused_includes=("a",), refused_filters=("x",), no_fieldsets=True)


async def test_a_refused_order_of_the_query_is_dropped(api: Api) -> None:
    def handle(asked: Asked) -> web.Response:
        if "sort" in asked.query:
            return refused(400, code="sort_param_unsupported", title="Sort param unsupported")
        return page(["1"])

    learned = await learned_by(api, handle, ListQuery.of(table(), sort="-updated_at"))
    assert learned == Learned(refused_sorts=("updated_at",))


async def test_an_unclear_refusal_costs_the_cursor_before_it_costs_the_table(api: Api) -> None:
    def handle(asked: Asked) -> web.Response:
        if "page[after]" in asked.query:
            return refused(400, title="Bad Request", detail="Something is wrong with you")
        return page(["1"])

    learned = await learned_by(api, handle, ListQuery.of(table("a")))
    assert learned.no_cursor


async def test_a_refusal_with_nothing_left_to_leave_out_ends_the_walk_and_says_what_came(api: Api) -> None:
    client, server = await api.open(
        lambda _: refused(422, title="Invalid", detail="Mercury is in retrograde")
    )
    with pytest.raises(ProtocolError, match="Mercury is in retrograde") as error:
        [s async for s in walk(client, ListQuery.of(table("a", "b"), sort="x"))]
    assert error.value.advice
    assert len(server.asked) < 10


@pytest.mark.parametrize("kind", ["Include", "Filter", "Sort"])
async def test_a_refusal_of_what_was_not_sent_ends_the_walk(api: Api, kind: str) -> None:
    client, server = await api.open(lambda _: refused(400, title=f"Unsupported {kind}"))
    with pytest.raises(ProtocolError, match="nothing left"):
        [s async for s in walk(client, ListQuery.of(table()))]
    assert len(server.asked) < 10


async def test_a_probe_that_finds_the_table_unavailable_ends_with_that(api: Api) -> None:
    client, _ = await api.open(
        script(lambda: refused(400, title="Unsupported Include"), lambda: refused(403))
    )
    (step,) = [s async for s in walk(client, ListQuery.of(table("a", "b")))]
    assert isinstance(step, Unavailable)


async def test_what_changes_the_list_in_the_middle_of_a_walk_begins_it_again(api: Api) -> None:
    def handle(asked: Asked) -> web.Response:
        if asked.query.get("page[number]") == "2" and "sort" in asked.query:
            return refused(400, code="sort_param_unsupported")
        number = int(asked.query["page[number]"])
        return page([number], current_page=number, total_pages=2, total_count=2)

    client, _ = await api.open(handle)
    steps = [s async for s in walk(client, ListQuery.of(table(cursor=False, stable_sort="id")))]
    assert [isinstance(s, WalkedPage) and s.restarted for s in steps] == [False, True, False]


def routes(**known: object) -> Handler:
    """Lists that exist under these last parts of the path; everything else is no route."""

    def handle(asked: Asked) -> web.Response:
        name = asked.path.removeprefix("/api/v2/").split("/")[0]
        if name not in known:
            return refused(404, code="route_not_found", title="Route not found")
        if asked.path.count("/") > 3:
            return reply({"data": {"id": asked.path.rsplit("/", 1)[1], "type": name}})
        return page([name])

    return handle


async def test_the_fallback_path_is_read_where_the_path_is_no_route_and_remembered(api: Api) -> None:
    boards = table(name="boards", fallback_path="folders")
    client, server = await api.open(routes(folders=1))
    (step,) = [s async for s in walk(client, ListQuery.of(boards))]
    assert isinstance(step, WalkedPage)
    assert step.resources[0]["id"] == "folders"
    assert step.learned == Learned(use_fallback_path=True)
    [s async for s in walk(client, ListQuery.of(boards), learned=step.learned)]
    assert [a.path.rsplit("/", 1)[1] for a in server.asked] == ["boards", "folders", "folders"]


async def test_the_path_itself_is_read_again_when_it_comes_back(api: Api) -> None:
    client, _ = await api.open(routes(boards=1))
    query = ListQuery.of(table(name="boards", fallback_path="folders"))
    (step,) = [s async for s in walk(client, query, learned=Learned(use_fallback_path=True))]
    assert isinstance(step, WalkedPage)
    assert step.learned == Learned()


async def test_a_table_that_neither_path_has_is_unavailable(api: Api) -> None:
    client, server = await api.open(routes())
    (step,) = [s async for s in walk(client, ListQuery.of(table(name="boards", fallback_path="folders")))]
    assert isinstance(step, Unavailable)
    assert step.status == 404
    assert len(server.asked) == 2


async def test_the_total_is_asked_for_with_one_small_page(api: Api) -> None:
    client, server = await api.open(lambda _: page(["1"], total_count=5_432))
    assert await total_count(client, ListQuery.of(table("a"))) == 5_432
    assert server.asked[0].query["page[number]"] == server.asked[0].query["page[size]"] == "1"


async def test_a_total_that_is_not_told_is_none_unless_there_is_nothing(api: Api) -> None:
    client, _ = await api.open(script(lambda: page(["1"]), lambda: page([]), lambda: refused(403)))
    assert await total_count(client, ListQuery.of(table())) is None
    assert await total_count(client, ListQuery.of(table())) == 0
    assert isinstance(await total_count(client, ListQuery.of(table())), Unavailable)


async def test_a_page_is_read_by_its_number(api: Api) -> None:
    client, server = await api.open(
        script(
            lambda: page(["7"], total_count=9),
            lambda: reply({"data": {"id": "7"}}),
            lambda: refused(404, code="record_not_found"),
        )
    )
    query = ListQuery.of(table())
    listed = await read_page(client, query, number=3, size=2)
    assert isinstance(listed, Page)
    assert (listed.resources[0]["id"], listed.total_count) == ("7", 9)
    assert server.asked[0].query == {"page[number]": "3", "page[size]": "2"}
    single = await read_page(client, query, number=1, size=1)
    assert isinstance(single, Page)
    assert single.total_count == 1
    assert await read_page(client, query, number=1, size=1) == Unavailable(404, "the API has no such list")


async def test_a_refusal_of_what_a_record_is_never_asked_with_is_an_error(api: Api) -> None:
    client, server = await api.open(lambda _: refused(400, title="Unsupported Filter"))
    with pytest.raises(ProtocolError, match="nothing left"):
        await read_one(client, table("a"), "17")
    assert len(server.asked) == 1


async def test_the_total_is_told_despite_refusals(api: Api) -> None:
    client, _ = await api.open(refusing(includes={"a"}))
    assert await total_count(client, ListQuery.of(table("a", "b"))) == 1
