"""Single questions to a table's endpoint: how many records, and one record by its id."""

from __future__ import annotations

from collections.abc import Collection

from shared.catalog.model import Table
from shared.errors import ProtocolError, RecordError
from shared.productive.answers import NO_SUCH_LIST, Found, Gone, Page, Unavailable
from shared.productive.client import ProductiveClient
from shared.productive.jsonapi import identifier
from shared.productive.learned import Learned
from shared.productive.listing import ListQuery
from shared.productive.negotiation import Request, ask


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
) -> Found | Gone | Unavailable:
    """One record with the includes that `columns` (all when None) need.

    `Gone` only on Productive's own word (`record_not_found`). Raises `RecordError` for an id that cannot
    be one, and what `walk` raises.
    """
    if not record_id.strip(".") or len(record_id) > 200:
        raise RecordError(f"{table.name}: {record_id[:50]!r} cannot be the id of a record")
    request = Request(ListQuery.of(table, columns), record_id=record_id)
    answer, _ = await ask(client, request, learned or Learned())
    if isinstance(answer, (Gone, Unavailable)):
        return answer
    if not isinstance(answer, Found) or identifier(answer.resource) != record_id:
        raise ProtocolError(
            f"{table.name}: asked for the record {record_id}, Productive answered something else"
        )
    return answer
