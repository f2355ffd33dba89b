"""Taking data out of the dataset for good, with everything of ours that remembers it.

What BigQuery itself keeps (time travel, the two days for which it remembers deletions) it forgets by
itself: see docs/bigquery.md. Rows are deleted as changes, because tables with change data capture take
no DELETE statement (documented).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from shared.catalog.model import ColumnType
from shared.clock import Clock
from shared.errors import ConfigError, StorageError
from shared.record.model import OwnColumn, Value, Version
from shared.warehouse.bigquery import history_sql, sql
from shared.warehouse.bigquery.appending import Appender, ChangeRow, sequence_of
from shared.warehouse.bigquery.history import History
from shared.warehouse.bigquery.layout import KEY, Columns, known_columns
from shared.warehouse.bigquery.memory import Deletions
from shared.warehouse.bigquery.reading import in_portions, travelled
from shared.warehouse.bigquery.rest import Rest, texts
from shared.warehouse.bigquery.rows import STATE, purge_of, version_of
from shared.warehouse.bigquery.tables import Tables
from shared.warehouse.port import OWN_COLUMNS

_NEEDED: Final = frozenset({KEY, *(str(name) for name, _ in OWN_COLUMNS)})
_UNPARSED: Final = OwnColumn.UNPARSED.value
_KEY_ONLY: Final[Columns] = ((KEY, ColumnType.STRING),)


class Purger:
    """Purges rows, columns and tables."""

    def __init__(
        self, rest: Rest, tables: Tables, deletions: Deletions, history: History, clock: Clock
    ) -> None:
        self._rest = rest
        self._tables = tables
        self._deletions = deletions
        self._history = history
        self._clock = clock
        self._hastened: set[str] = set()

    async def rows(self, appender: Appender, table: str, ids: Sequence[str]) -> int:
        """See `Warehouse.purge_rows`."""
        removed = 0
        facts = await self._tables.facts(table)
        if ids and facts is not None and facts.is_ours:
            if facts.staleness_minutes:
                self._hastened.add(table)
            await self._tables.show_all(table)
            for some in in_portions(ids):
                removed += await self._purge_some(appender, table, some)
        if ids and await self._history.has(table):
            await self._history.forget_rows(appender, table, ids)
        if ids:
            await self._deletions.forget(appender, table, ids)
        return removed

    async def column(self, appender: Appender, table: str, column: str) -> bool:
        """See `Warehouse.purge_column`."""
        if column in _NEEDED:
            raise ConfigError(
                f"the column `{table}.{column}` cannot be removed: every table needs it",
                advice="Name a column of Productive's data, or remove the whole table.",
            )
        columns = await self._tables.columns(table)
        if not columns:
            return False
        await self._history.leave_out(table, column)
        found = await self._forget_column(appender, table, column)
        log = history_sql.log_name(table)
        if await self._history.has(table):
            found = await self._forget_column(appender, log, column) or found
        return found

    async def table(self, appender: Appender, table: str) -> bool:
        """See `Warehouse.purge_table`."""
        await self._deletions.forget(appender, table)
        self._tables.forget(table)
        facts = await self._tables.facts(table)
        if facts is None:
            return False
        if not facts.is_ours:
            raise StorageError(
                f"the table `{table}` in the dataset was not made by productive-ingest",
                advice="It is left alone; drop it by hand if nobody needs it.",
            )
        await self._rest.call(self._rest.client.delete_table, self._rest.named(table), not_found_ok=True)
        self._tables.forget(table)
        await self._history.drop(table)
        return True

    async def _purge_some(self, appender: Appender, table: str, ids: Sequence[str]) -> int:
        statement = sql.row_versions(self._rest.quoted(table))
        stored = {
            id_: Version(changed, observed)
            for id_, changed, observed in await self._rest.rows(statement, [texts("ids", ids)])
        }
        # A query may not show yet what was written last: whatever is older than now goes, shown or not.
        now = Version(self._clock.now_us(), self._clock.now_us())
        doomed = {id_: max(now, stored.get(id_, now)) for id_ in ids} if table in self._hastened else stored
        changes = [purge_of(id_, version) for id_, version in doomed.items()]
        await appender.append(self._rest.path(table), _KEY_ONLY, changes)
        return len(stored)

    async def _forget_column(self, appender: Appender, table: str, column: str) -> bool:
        self._tables.forget(table)
        facts = await self._tables.facts(table)
        present = facts.columns if facts is not None else {}
        left = tuple((name, type_) for name, type_ in known_columns(present).items() if name != column)
        # A value that did not fit its column is kept beside it, under the column's name.
        found = False
        statement = sql.rows(self._rest.quoted(table), left, f"{_UNPARSED} IS NOT NULL")
        async for page in self._rest.pages(statement, page_size=2_000):
            changes = [
                change for row in page if (change := _without_value(travelled(left, row), column)) is not None
            ]
            if changes:
                found = True
                await appender.append(self._rest.path(table), left, changes)
        if column in present:
            found = True
            dropped = f"ALTER TABLE {self._rest.quoted(table)} DROP COLUMN {sql.quote(column)}"
            await self._rest.rows(dropped)
            self._tables.forget(table)
        return found


def _without_value(values: dict[str, Value], column: str) -> ChangeRow | None:
    """The row again, with the same version, without a value in `_unparsed`; None when it has none."""
    text = values.get(_UNPARSED)
    kept = msgspec.json.decode(str(text), type=dict[str, msgspec.Raw])
    if column not in kept:
        return None
    del kept[column]
    values[_UNPARSED] = msgspec.json.encode(kept).decode() if kept else None
    in_log = history_sql.OP in values
    number = STATE if in_log else f"{sequence_of(version_of(values))}/{STATE}"
    return ChangeRow("UPSERT", number, values)
