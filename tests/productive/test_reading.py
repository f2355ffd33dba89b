"""Records are read by their ids, one or many at a time, whatever the endpoint makes of the question."""

from __future__ import annotations

import pytest
from aiohttp import web

from shared.catalog.model import Include
from shared.errors import ProtocolError, RecordError
from shared.productive import (
    Found,
    FoundMany,
    Gone,
    Learned,
    Unavailable,
    lists_by_id,
    read_many,
    read_one,
)
from tests.productive.server import Api, Asked, Handler, page, refused, reply, script, table


def list_of(*present: str, ignores_ids: bool = False, refuses_ids: bool = False) -> Handler:
    """A list that has these records."""

    def handle(asked: Asked) -> web.Response:
        wanted = asked.query.get("filter[id]")
        if wanted is not None and refuses_ids:
            return refused(400, title="Unsupported Filter", detail="Filter id is not supported")
        size = int(asked.query["page[size]"])
        if wanted is None or ignores_ids:
            return page(present[:size])
        return page([id_ for id_ in present if id_ in wanted.split(",")])

    return handle


async def test_a_record_is_read_with_the_includes_of_its_columns(api: Api) -> None:
    client, server = await api.open(lambda _: reply({"data": {"id": "17", "type": "deals"}}))
    found, _ = await read_one(client, table("a", "b", params={"filter[x]": "1"}), "17", columns=["b_id"])
    assert isinstance(found, Found)
    assert found.resource["id"] == "17"
    assert server.asked[0].path == "/api/v2/deals/17"
    assert server.asked[0].query == {"include": "b", "fields[bs]": "id"}


async def test_a_record_is_read_despite_a_refused_include(api: Api) -> None:
    def handle(asked: Asked) -> web.Response:
        if "b" in asked.query.get("include", "").split(","):
            return refused(400, title="Unsupported Include")
        return reply({"data": {"id": 17, "type": "deals"}})

    client, server = await api.open(handle)
    found, learned = await read_one(client, table("a", "b", Include("c", "deals")), "17")
    assert isinstance(found, Found)
    assert learned.refused_includes == ("b",)
    asked = len(server.asked)
    await read_one(client, table("a", "b"), "17", learned=learned)
    assert len(server.asked) == asked + 1


async def test_a_record_that_is_not_there_is_gone_but_a_missing_route_is_not(api: Api) -> None:
    client, _ = await api.open(
        script(lambda: refused(404, code="record_not_found"), lambda: refused(404, code="route_not_found"))
    )
    assert isinstance((await read_one(client, table(), "17"))[0], Gone)
    assert isinstance((await read_one(client, table(), "17"))[0], Unavailable)


async def test_a_record_is_read_at_the_fallback_path(api: Api) -> None:
    def handle(asked: Asked) -> web.Response:
        if asked.path != "/api/v2/folders/17":
            return refused(404, code="route_not_found", title="Route not found")
        return reply({"data": {"id": "17", "type": "folders"}})

    client, _ = await api.open(handle)
    found, _ = await read_one(client, table(name="boards", fallback_path="folders"), "17")
    assert isinstance(found, Found)
    assert found.resource["type"] == "folders"


@pytest.mark.parametrize("document", [{"data": {"id": "18"}}, {"data": [{"id": "17"}]}, {"data": {}}])
async def test_another_record_than_the_one_asked_for_is_an_error(api: Api, document: object) -> None:
    client, _ = await api.open(lambda _: reply(document))
    with pytest.raises(ProtocolError, match="something else"):
        await read_one(client, table(), "17")


@pytest.mark.parametrize("record_id", ["", ".", "..", "1" * 300])
async def test_an_id_that_cannot_be_one_is_never_asked_for(api: Api, record_id: str) -> None:
    client, server = await api.open(lambda _: page())
    with pytest.raises(RecordError):
        await read_one(client, table(), record_id)
    assert server.asked == []


async def test_an_id_from_outside_cannot_leave_its_place_in_the_path(api: Api) -> None:
    client, server = await api.open(lambda _: refused(404, code="record_not_found"))
    await read_one(client, table(), "../users?x=1#y")
    assert server.asked[0].path == "/api/v2/deals/..%2Fusers%3Fx%3D1%23y"
    assert server.asked[0].raw_query == ""


async def test_many_records_cost_one_request_with_the_includes_of_their_columns(api: Api) -> None:
    client, server = await api.open(list_of(*map(str, range(300))))
    ids = [str(number) for number in range(200)]
    many, _ = await read_many(client, table("a", "b", params={"filter[x]": "1"}), ids, columns=["b_id"])
    assert isinstance(many, FoundMany)
    assert list(many.found) == ids
    assert many.missing == ()
    assert server.asked[0].query == {
        "filter[x]": "1",
        "filter[id]": ",".join(ids),
        "include": "b",
        "fields[bs]": "id",
        "page[number]": "1",
        "page[size]": "200",
    }
    assert len(server.asked) == 1


async def test_what_a_list_leaves_out_is_missing_and_nothing_more(api: Api) -> None:
    client, _ = await api.open(list_of("1", "3"))
    many, learned = await read_many(client, table(), ["1", "2", "3", "4"])
    assert isinstance(many, FoundMany)
    assert (list(many.found), many.missing) == (["1", "3"], ("2", "4"))
    assert lists_by_id(learned)


async def test_a_list_that_refuses_the_question_is_not_asked_again(api: Api) -> None:
    client, server = await api.open(list_of("1", "2", "3", refuses_ids=True))
    many, learned = await read_many(client, table(), ["2", "3"])
    assert isinstance(many, FoundMany)
    assert set(many.found) | set(many.missing) == {"2", "3"}
    assert not lists_by_id(learned)
    asked = len(server.asked)
    assert await read_many(client, table(), ["2", "3"], learned=learned) == (
        FoundMany({}, ("2", "3")),
        learned,
    )
    assert len(server.asked) == asked


async def test_a_list_that_ignores_the_question_is_not_asked_again_and_its_other_records_are_dropped(
    api: Api,
) -> None:
    client, _ = await api.open(list_of("1", "2", "3", ignores_ids=True))
    many, learned = await read_many(client, table(), ["2", "3"])
    assert isinstance(many, FoundMany)
    assert (list(many.found), many.missing) == (["2"], ("3",))
    assert not lists_by_id(learned)


async def test_a_list_that_is_not_to_be_had_says_why(api: Api) -> None:
    client, _ = await api.open(script(lambda: refused(403), lambda: refused(404, code="record_not_found")))
    for status in (403, 404):
        many, _ = await read_many(client, table(), ["1", "2"])
        assert isinstance(many, Unavailable)
        assert many.status == status


async def test_a_list_that_answers_with_one_record_is_taken_at_its_word(api: Api) -> None:
    client, _ = await api.open(lambda _: reply({"data": {"id": 2, "type": "deals"}}))
    many, learned = await read_many(client, table(), ["1", "2"])
    assert isinstance(many, FoundMany)
    assert (list(many.found), many.missing) == (["2"], ("1",))
    assert lists_by_id(learned)


@pytest.mark.parametrize("odd", ["1,2", "a&b", "", "1" * 21])
async def test_an_id_that_would_mean_something_else_in_a_list_is_left_to_be_read_alone(
    api: Api, odd: str
) -> None:
    client, server = await api.open(list_of("7"))
    many, _ = await read_many(client, table(), ["7", odd])
    assert isinstance(many, FoundMany)
    assert (list(many.found), many.missing) == (["7"], (odd,))
    assert server.asked[0].query["filter[id]"] == "7"
    assert await read_many(client, table(), [odd]) == (FoundMany({}, (odd,)), Learned())
    assert len(server.asked) == 1


async def test_rows_without_an_id_do_not_tell_that_the_question_was_ignored(api: Api) -> None:
    client, _ = await api.open(lambda _: reply({"data": [{"id": "1"}, {}, "?"]}))
    many, learned = await read_many(client, table(), ["1"])
    assert isinstance(many, FoundMany)
    assert list(many.found) == ["1"]
    assert lists_by_id(learned)
