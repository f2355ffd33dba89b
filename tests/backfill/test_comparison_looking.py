"""Whether a record is gone is told by Productive's word, and not by any address that does not answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest
from aiohttp import web

from services.backfill.looking import Control, Looked, Looker
from shared.catalog.model import Table
from shared.catalog.selection import SelectedTable
from shared.productive import Learned
from tests.productive.server import Api, Asked, page, refused, reply, table

Answer = Callable[[str], web.Response]


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with AsyncExitStack() as stack:
        yield Api(stack)


def record(id_: str, **attributes: object) -> web.Response:
    return reply({"data": {"id": id_, "type": "deals", "attributes": attributes}})


def not_found(code: str = "record_not_found") -> web.Response:
    return reply({"errors": [{"status": "404", "code": code, "title": "Not found"}]}, status=404)


def forbidden() -> web.Response:
    return reply({"errors": [{"status": "403", "title": "Forbidden"}]}, status=403)


def one_by_one(answer: Answer) -> Callable[[Asked], web.Response]:
    """An endpoint that gives no lists of ids."""

    def handle(asked: Asked) -> web.Response:
        if "filter[id]" in asked.query:
            return refused(400, title="Unsupported Filter", detail="Filter id is not supported")
        place, _, last = asked.path.rpartition("/")
        return page() if place.endswith("/v2") else answer(last)

    return handle


def listed(*ids: str) -> Control:
    async def control() -> AsyncIterator[str]:
        for id_ in ids:
            yield id_

    return control


async def look(
    api: Api, answer: Answer, *ids: str, control: Control | None = None, reads: int = 100
) -> tuple[Looked, list[str]]:
    """What became of the ids, and which were asked for one by one."""
    client, server = await api.open(one_by_one(answer))
    deals: Table = table()
    looker = Looker(client, SelectedTable(deals, deals.columns), Learned(), reads=reads)
    looked = await looker.look(ids, control=control)
    together = [*looked.found, *looked.gone, *looked.unread, *looked.unclear]
    assert sorted(together) == sorted(ids), "each has one end"
    return looked, [asked.path.rpartition("/")[2] for asked in server.asked if "/deals/" in asked.path]


async def test_productives_own_word_makes_a_record_gone(api: Api) -> None:
    looked, _ = await look(api, lambda id_: record(id_) if id_ == "1" else not_found(), "1", "2")
    assert (list(looked.found), looked.gone) == (["1"], ["2"])


async def test_a_record_that_says_that_it_was_deleted_is_gone(api: Api) -> None:
    def answer(id_: str) -> web.Response:
        return record(id_, deleted_at="2026-11-20T10:00:00.000+01:00" if id_ == "2" else None)

    looked, _ = await look(api, answer, "1", "2")
    assert (list(looked.found), looked.gone) == (["1"], ["2"])


async def test_where_others_are_found_at_their_address_a_missing_address_is_a_missing_record(
    api: Api,
) -> None:
    looked, asked = await look(
        api,
        lambda id_: record(id_) if id_ == "9" else not_found("another word"),
        *("1", "2", "3"),
        control=listed("9"),
    )
    assert looked.gone == ["1", "2", "3"]
    assert asked.count("9") == 1


async def test_where_no_record_has_an_address_the_rest_is_not_asked_for(api: Api) -> None:
    looked, asked = await look(
        api, lambda _: not_found("route_not_found"), "1", "2", "3", control=listed("8", "9")
    )
    assert looked.unread == ["1", "2", "3"]
    assert asked == ["1", "8", "9"]


async def test_a_record_to_try_the_address_with_may_have_gone_meanwhile(api: Api) -> None:
    def answer(id_: str) -> web.Response:
        return {"8": not_found("another word"), "9": record("9")}.get(id_, not_found("another word"))

    looked, _ = await look(api, answer, "1", control=listed("8", "9"))
    assert looked.gone == ["1"]


@pytest.mark.parametrize("control", [None, listed()])
async def test_with_nothing_to_try_it_with_a_missing_address_proves_nothing(
    api: Api, control: Control | None
) -> None:
    looked, _ = await look(api, lambda _: not_found("another word"), "1", control=control)
    assert looked.unclear == ["1"]
    assert looked.reasons


async def test_what_may_not_be_seen_is_not_gone_and_is_given_up_soon(api: Api) -> None:
    ids = [str(number) for number in range(50)]
    looked, asked = await look(api, lambda _: forbidden(), *ids, control=listed("99"))
    assert looked.unclear == ids
    assert len(asked) == 10
    assert len(looked.reasons) == 1


async def test_an_answer_that_makes_no_sense_leaves_its_record_alone_and_no_other(api: Api) -> None:
    def answer(id_: str) -> web.Response:
        return {"1": record("another"), "2": reply({"data": []})}.get(id_, not_found())

    looked, _ = await look(api, answer, "1", "2", "3", "..", "x" * 300)
    assert sorted(looked.unclear) == sorted(["1", "2", "..", "x" * 300])
    assert looked.gone == ["3"]


async def test_no_more_records_are_read_than_allowed(api: Api) -> None:
    looked, asked = await look(api, lambda _: not_found(), "1", "2", "3", "4", reads=3)
    assert (looked.gone, looked.unread) == (["1", "2", "3"], ["4"])
    assert asked == ["1", "2", "3"]


async def test_nothing_is_asked_about_nothing(api: Api) -> None:
    assert await look(api, lambda _: not_found()) == (Looked(), [])
