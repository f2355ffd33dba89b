"""Asks every table for one record: which lists this token can read, before a long crawl finds out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import msgspec

from shared.catalog.selection import SelectedTable
from shared.errors import ProtocolError
from shared.productive import ListQuery, Page, ProductiveClient, Unavailable, read_page


class Access(msgspec.Struct, frozen=True):
    """One table: how many records there are (None when Productive does not say), or why it cannot be read."""

    table: str
    readable: bool
    records: int | None = None
    reason: str = ""


async def check_access(client: ProductiveClient, tables: Mapping[str, SelectedTable]) -> list[Access]:
    """All tables, in the order given.

    Raises `CredentialsError` for a refused token and `UnreachableError` when nobody answers, after the
    first request alone, so that a mistake is told at once and once.
    """
    first, *rest = tables.values()
    found = [await _access(client, first)]
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_access(client, table)) for table in rest]
    except* Exception as errors:
        raise errors.exceptions[0] from None
    return found + [task.result() for task in tasks]


async def _access(client: ProductiveClient, selected: SelectedTable) -> Access:
    query = ListQuery.of(selected.table, [column.name for column in selected.columns])
    try:
        answer = await read_page(client, query, number=1, size=1)
    except ProtocolError as error:
        return Access(selected.name, readable=False, reason=error.message)
    match answer:
        case Page(total_count=total):
            return Access(selected.name, readable=True, records=total)
        case Unavailable(reason=reason):
            return Access(selected.name, readable=False, reason=reason)
