"""Asks every table for one record: which lists this token can read, before a long crawl finds out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import msgspec

from services.backfill.together import first_alone
from shared.catalog.selection import SelectedTable
from shared.errors import ProtocolError, UnreachableError
from shared.productive import ListQuery, Page, ProductiveClient, Unavailable, read_page


class Access(msgspec.Struct, frozen=True):
    """One table: how many records there are (None when Productive does not say), or why it cannot be read."""

    table: str
    readable: bool
    records: int | None = None
    reason: str = ""


async def check_access(client: ProductiveClient, tables: Mapping[str, SelectedTable]) -> list[Access]:
    """All tables, in the order given.

    Raises `CredentialsError` for a refused token, and `UnreachableError` or `ProtocolError` when nobody
    answers whom one could understand, after the first request alone: a mistake is told at once and once.
    """
    return await first_alone([partial(_access, client, table) for table in tables.values()])


async def _access(client: ProductiveClient, selected: SelectedTable) -> Access:
    query = ListQuery.of(selected.table, [column.name for column in selected.columns])
    try:
        answer = await read_page(client, query, number=1, size=1)
    except (ProtocolError, UnreachableError) as error:
        if not client.has_met:
            raise
        return Access(selected.name, readable=False, reason=error.message)
    match answer:
        case Page(total_count=total):
            return Access(selected.name, readable=True, records=total)
        case Unavailable(reason=reason):
            return Access(selected.name, readable=False, reason=reason)
