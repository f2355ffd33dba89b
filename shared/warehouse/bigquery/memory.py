"""The memory of deletions, and the fence in front of old rows.

BigQuery remembers for two days which version of a row was deleted (documented); an older state that arrives
later brings the row back. So every deletion is kept in a table of our own, written before the row is
deleted, and a row whose state was observed longer ago than `FENCE_US` is first compared with what is there.

Neither needs the other to be exact: what the query does not show yet, because a table may show changes
late, BigQuery still orders by itself, as long as tables show them within `2 days - FENCE_US`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Final

from shared.catalog.model import ColumnType
from shared.clock import Clock
from shared.record.model import Value, Version
from shared.warehouse.bigquery import sql
from shared.warehouse.bigquery.appending import Appender, ChangeRow, sequence_of
from shared.warehouse.bigquery.layout import KEY, table_for
from shared.warehouse.bigquery.rest import Rest, number, text, texts
from shared.warehouse.bigquery.tables import Tables
from shared.warehouse.port import RefusedRow, Row, StoredVersion

FENCE_US: Final = 36 * 3_600 * 1_000_000
DELETIONS: Final = "productive_ingest__deletions"
"""No table of Productive can have this name: theirs have no two underscores in a row."""

_COLUMNS: Final = (
    (KEY, ColumnType.STRING),
    ("table_name", ColumnType.STRING),
    ("record_id", ColumnType.STRING),
    ("changed_us", ColumnType.INT64),
    ("observed_us", ColumnType.INT64),
)
_NOTES: Final = {
    KEY: "The table and the record's id.",
    "changed_us": "When it was deleted, in microseconds since 1970.",
    "observed_us": "When the deletion was found, in microseconds since 1970.",
}
_AT_ONCE: Final = 5_000
_NO_TIME_IS_LATER: Final = 2**63 - 1


class Deletions:
    """What was deleted, table by table."""

    def __init__(self, rest: Rest, tables: Tables, clock: Clock) -> None:
        self._rest = rest
        self._tables = tables
        self._clock = clock
        self._made = False
        self._making = asyncio.Lock()

    async def ensure(self, appender: Appender) -> None:
        """Make the table that the deletions are kept in."""
        async with self._making:
            if self._made:
                return
            wanted = table_for(
                self._rest.named(DELETIONS),
                _COLUMNS,
                # It is small, and seldom asked.
                staleness_minutes=0,
                description="What was deleted from the other tables; productive-ingest keeps older states "
                "from coming back with it.",
                notes=_NOTES,
            )
            await self._tables.make(wanted, _COLUMNS, appender)
            self._made = True

    async def remember(
        self, appender: Appender, table: str, gone: Mapping[int, Row]
    ) -> Mapping[int, RefusedRow]:
        """Keep these deletions, durably; what was refused, by the indices given."""
        places = list(gone)
        changes = [_remembered(table, gone[place]) for place in places]
        refused = await appender.append(self._rest.path(DELETIONS), _COLUMNS, changes) if changes else ()
        return {places[each.index]: each for each in refused}

    async def forget(self, appender: Appender, table: str, ids: Collection[str] | None = None) -> None:
        """Take deletions out of the memory: those of some ids, or all of a table's."""
        if await self._tables.facts(DELETIONS) is None:
            return
        async for page in self._pages(table, ids):
            changes = [
                ChangeRow("DELETE", _sequence(changed, observed), {KEY: _key(table, id_)})
                for id_, changed, observed in page
            ]
            await appender.append(self._rest.path(DELETIONS), _COLUMNS, changes)

    async def tombstones(self, table: str, before_us: int | None) -> AsyncIterator[Sequence[StoredVersion]]:
        """Those that hold: a row that came back later has none."""
        if await self._tables.facts(DELETIONS) is None:
            return
        is_there = bool(await self._tables.columns(table))
        statement = sql.tombstones(
            self._rest.quoted(DELETIONS), self._rest.quoted(table) if is_there else None
        )
        before = _NO_TIME_IS_LATER if before_us is None else before_us
        async for page in self._rest.pages(statement, [text("name", table), number("before", before)]):
            yield [StoredVersion(*row) for row in page]

    async def stale(self, table: str, rows: Sequence[Row]) -> Collection[int]:
        """Which of the rows are old and lose to what the table holds, or remembers of deletions."""
        latest = self._clock.now_us() - FENCE_US
        old = {index: row for index, row in enumerate(rows) if row.record.version.observed_us < latest}
        if not old:
            return ()
        stored = await self._stored(table, sorted({row.record.id for row in old.values()}))
        nothing = Version(-(2**63), -(2**63))
        return {
            index for index, row in old.items() if stored.get(row.record.id, nothing) >= row.record.version
        }

    async def _stored(self, table: str, ids: Sequence[str]) -> Mapping[str, Version]:
        relations = [sql.row_versions(self._rest.quoted(table))]
        if await self._tables.facts(DELETIONS) is not None:
            relations.append(sql.remembered_versions(self._rest.quoted(DELETIONS)))
        found: dict[str, Version] = {}
        for start in range(0, len(ids), _AT_ONCE):
            parameters = [text("name", table), texts("ids", ids[start : start + _AT_ONCE])]
            async for page in self._rest.pages(" UNION ALL ".join(relations), parameters):
                for id_, changed, observed in page:
                    version = Version(changed, observed)
                    found[id_] = max(version, found.get(id_, version))
        return found

    async def _pages(
        self, table: str, ids: Collection[str] | None
    ) -> AsyncIterator[Sequence[tuple[str, int, int]]]:
        statement = sql.remembered_versions(self._rest.quoted(DELETIONS), some=ids is not None)
        wanted = sorted(ids or ())
        for start in range(0, max(1, len(wanted)), _AT_ONCE):
            parameters = [text("name", table)]
            if ids is not None:
                parameters.append(texts("ids", wanted[start : start + _AT_ONCE]))
            async for page in self._rest.pages(statement, parameters):
                yield [(id_, changed, observed) for id_, changed, observed in page]


def _key(table: str, id_: str) -> str:
    return f"{table}/{id_}"


def _sequence(changed: int, observed: int) -> str:
    return sequence_of(Version(changed, observed))


def _remembered(table: str, row: Row) -> ChangeRow:
    id_, version = row.record.id, row.record.version
    values: dict[str, Value] = {
        KEY: _key(table, id_),
        "table_name": table,
        "record_id": id_,
        "changed_us": version.changed_us,
        "observed_us": version.observed_us,
    }
    return ChangeRow("UPSERT", sequence_of(version), values)
