"""Single questions to a table's endpoint: how many records, and records by their ids."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from shared.catalog.model import Table
from shared.errors import ProtocolError, RecordError
from shared.productive.answers import NO_SUCH_LIST, Found, Gone, Page, Unavailable
from shared.productive.client import ProductiveClient
from shared.productive.jsonapi import identifier
from shared.productive.learned import Learned
from shared.productive.listing import PAGE_SIZE, ListQuery
from shared.productive.negotiation import Request, ask

MOST_AT_ONCE: Final = PAGE_SIZE
"""How many records `read_many` asks for with one request at the most."""

_LISTABLE: Final = re.compile(r"[0-9A-Za-z_-]{1,20}")
_BY_ID: Final = "id"


@dataclass(frozen=True, slots=True)
class FoundMany:
    """What a list had of the records that were asked for by their ids.

    `missing` are the ids it did not have. That says nothing about them, for lists leave out what is
    archived, a draft or somebody's private business: whoever wants to know reads them with `read_one`.
    """

    found: Mapping[str, Found]
    missing: tuple[str, ...]


async def total_count(
    client: ProductiveClient, query: ListQuery, learned: Learned | None = None
) -> int | Unavailable | None:
    """How many records the list has; None when the API does not say. Errors as in `walk`."""
    page = await read_page(client, query, number=1, size=1, learned=learned)
    if isinstance(page, Unavailable):
        return page
    nothing = not page.resources and page.next is None
    return 0 if page.total_count is None and nothing else page.total_count


async def read_page(
    client: ProductiveClient,
    query: ListQuery,
    *,
    number: int,
    size: int,
    learned: Learned | None = None,
) -> Page | Unavailable:
    """One page by its number (from 1), for samples: without an order, pages overlap while data changes.

    Errors as in `walk`.
    """
    request = Request(query, (("page[number]", str(number)), ("page[size]", str(size))))
    answer, _ = await ask(client, request, learned or Learned())
    match answer:
        case Page() | Unavailable():
            return answer
        case Found():
            return Page([answer.resource], answer.observed_us, total_count=1)
        case _:
            return NO_SUCH_LIST


async def read_one(
    client: ProductiveClient,
    table: Table,
    record_id: str,
    *,
    columns: Collection[str] | None = None,
    learned: Learned | None = None,
) -> tuple[Found | Gone | Unavailable, Learned]:
    """One record with the includes that `columns` (all when None) need, and what is known by then.

    `Gone` only on Productive's own word (`record_not_found`). Raises `RecordError` for an id that cannot
    be one, and what `walk` raises.
    """
    if not record_id.strip(".") or len(record_id) > 200:
        raise RecordError(f"{table.name}: {record_id[:50]!r} cannot be the id of a record")
    request = Request(ListQuery.of(table, columns), record_id=record_id)
    answer, known = await ask(client, request, learned or Learned())
    if isinstance(answer, (Gone, Unavailable)):
        return answer, known
    if not isinstance(answer, Found) or identifier(answer.resource) != record_id:
        raise ProtocolError(
            f"{table.name}: asked for the record {record_id}, Productive answered something else"
        )
    return answer, known


def lists_by_id(learned: Learned) -> bool:
    """Whether `read_many` may still be worth its request."""
    return _BY_ID not in learned.refused_filters


async def read_many(
    client: ProductiveClient,
    table: Table,
    ids: Sequence[str],
    *,
    columns: Collection[str] | None = None,
    learned: Learned | None = None,
) -> tuple[FoundMany | Unavailable, Learned]:
    """Up to `MOST_AT_ONCE` different records with one request, and what is known by then.

    `filter[id]` with ids between commas is documented for some endpoints only and seen in public clients
    for others. Where it is refused, or lists records that nobody asked for, that is learned, and nothing
    is asked any more: all ids are `missing` then. Errors as in `walk`.
    """
    known = learned or Learned()
    asked = [id_ for id_ in dict.fromkeys(ids) if _LISTABLE.fullmatch(id_)][:MOST_AT_ONCE]
    if not asked or not lists_by_id(known):
        return FoundMany({}, tuple(dict.fromkeys(ids))), known
    query = ListQuery.of(table, columns, filters=((f"filter[{_BY_ID}]", ",".join(asked)),))
    # Where the filter is ignored a page of just this size is the least waste.
    request = Request(query, (("page[number]", "1"), ("page[size]", str(len(asked)))))
    answer, known = await ask(client, request, known)
    match answer:
        case Unavailable():
            return answer, known
        case Page():
            rows = {identifier(row): Found(row, answer.observed_us) for row in answer.resources}
        case Found():
            rows = {identifier(answer.resource): answer}
        case _:
            return NO_SUCH_LIST, known
    found = {id_: rows[id_] for id_ in asked if id_ in rows}
    if rows.keys() - found.keys() - {None}:
        known = known.without(filters=(_BY_ID,))
    return FoundMany(found, tuple(id_ for id_ in dict.fromkeys(ids) if id_ not in found)), known
