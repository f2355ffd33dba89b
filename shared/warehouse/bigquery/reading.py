"""What is read back: ids, versions, rows, and the ids of rows that hold a value.

BigQuery's own statistics (`numRows`, INFORMATION_SCHEMA) lag behind what was streamed (documented), so
everything here is a query over the rows themselves.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from shared.catalog.model import ColumnType
from shared.record.model import OwnColumn, Value
from shared.record.values import canonical_numeric
from shared.warehouse.bigquery import sql
from shared.warehouse.bigquery.rest import Rest, number, texts
from shared.warehouse.bigquery.tables import Tables
from shared.warehouse.port import StoredVersion, TableSchema

_UNPARSED: Final = (OwnColumn.UNPARSED.value, ColumnType.JSON)
_IDS_AT_ONCE: Final = 5_000
_ID_BYTES_AT_ONCE: Final = 1 << 20


class Reader:
    """Reads the tables of a dataset."""

    def __init__(self, rest: Rest, tables: Tables) -> None:
        self._rest = rest
        self._tables = tables

    async def ids(self, table: str) -> AsyncIterator[Sequence[str]]:
        """See `Warehouse.ids`."""
        if await self._tables.columns(table):
            async for page in self._rest.pages(sql.ids(self._rest.quoted(table))):
                yield [id_ for (id_,) in page]

    async def versions(self, table: str, before_us: int | None) -> AsyncIterator[Sequence[StoredVersion]]:
        """See `Warehouse.versions`."""
        if not await self._tables.columns(table):
            return
        statement = sql.versions(self._rest.quoted(table), before=before_us is not None)
        parameters = [] if before_us is None else [number("before", before_us)]
        async for page in self._rest.pages(statement, parameters):
            yield [StoredVersion(*row) for row in page]

    async def matching(self, table: str, column: str, values: Sequence[str]) -> Sequence[str]:
        """See `Warehouse.matching`."""
        type_ = (await self._tables.columns(table)).get(column)
        if type_ not in (ColumnType.STRING, ColumnType.STRING_ARRAY):
            return ()
        statement = sql.matching(self._rest.quoted(table), column, listed=type_ == ColumnType.STRING_ARRAY)
        found: dict[str, None] = {}
        for some in in_portions(values):
            rows = await self._rest.rows(statement, [texts("values", some)])
            found |= dict.fromkeys(id_ for (id_,) in rows)
        return sorted(found)

    async def fetch(self, schema: TableSchema, ids: Sequence[str]) -> Mapping[str, Mapping[str, Value]]:
        """See `Warehouse.fetch`."""
        present = await self._tables.columns(schema.name)
        columns = [column for column in (*schema.columns, _UNPARSED) if column[0] in present]
        if not columns:
            return {}
        statement = sql.rows(self._rest.quoted(schema.name), columns, "id IN UNNEST(@ids)")
        found: dict[str, Mapping[str, Value]] = {}
        for some in in_portions(ids):
            async for page in self._rest.pages(statement, [texts("ids", some)]):
                for row in page:
                    values = travelled(columns, row)
                    found[str(values["id"])] = values
        return found

    async def reading_bytes(self, table: str, columns: Sequence[str]) -> int:
        """See `Warehouse.reading_bytes`: what a dry run says, which costs nothing itself."""
        present = await self._tables.columns(table)
        names = ", ".join(sql.quote(name) for name in columns if name in present)
        if not names:
            return 0
        statement = f"SELECT {names} FROM {self._rest.quoted(table)}"  # noqa: S608 -- names, quoted
        job = await self._rest.dry_run(statement)
        return int(job.total_bytes_processed or 0)


def travelled(columns: Sequence[tuple[str, ColumnType]], row: Sequence[Any]) -> dict[str, Value]:
    """A row of `sql.rows` by column, without what is NULL.

    BigQuery knows no NULL array but in what a query makes up: an empty one is left out like NULL.
    """
    values: dict[str, Value] = {}
    for (name, type_), value in zip(columns, row, strict=True):
        if value is None or value == []:
            continue
        values[name] = str(canonical_numeric(Decimal(value))) if type_ is ColumnType.NUMERIC else value
    return values


def in_portions(values: Sequence[str]) -> Sequence[Sequence[str]]:
    """Distinct values in portions that fit into a request (10 MB)."""
    portions: list[list[str]] = []
    room = 0
    for value in dict.fromkeys(values):
        size = len(value) * 4 + 40
        if not portions or len(portions[-1]) >= _IDS_AT_ONCE or size > room:
            portions.append([])
            room = _ID_BYTES_AT_ONCE
        portions[-1].append(value)
        room -= size
    return portions
