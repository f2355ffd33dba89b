"""Keeping every version of the records of a table; see `history_sql` for how they lie in BigQuery."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

from google.api_core.exceptions import Conflict
from google.cloud import bigquery

from shared.catalog.model import ColumnType
from shared.errors import StorageError
from shared.record.model import OwnColumn, Value
from shared.warehouse.bigquery import history_sql, sql
from shared.warehouse.bigquery.appending import Appender, ChangeRow, sequence_of
from shared.warehouse.bigquery.history_sql import OP, RECORD
from shared.warehouse.bigquery.layout import KEY, Columns, known_columns, stored_columns, table_for
from shared.warehouse.bigquery.memory import DELETIONS
from shared.warehouse.bigquery.reading import in_portions, travelled
from shared.warehouse.bigquery.rest import LABELS, Rest, text, texts
from shared.warehouse.bigquery.rows import DELETION, PURGE, STATE, values_of, version_of
from shared.warehouse.bigquery.tables import Tables
from shared.warehouse.port import RefusedRow, Row, TableSchema

_MANY_SIGHTINGS: Final = 10
"""Versions a record, on average, from which on the log is thinned out when the writer starts."""
_REPEATS_KEPT_DAYS: Final = 7
"""What is older arrives only from dead letters; it is put where what is left says that it belongs."""
_KEY_ONLY: Final[Columns] = ((KEY, ColumnType.STRING),)
_ABOUT: Final = "Every version of a record that was seen; `{view}` shows from when until when each was so."
_VIEW: Final = "From when until when each state was that of its record, made of what was seen of {table}."


class History:
    """The logs and views of a dataset."""

    def __init__(self, rest: Rest, tables: Tables) -> None:
        self._rest = rest
        self._tables = tables

    async def ensure(self, appender: Appender, table: str) -> None:
        """Make the log and the view, or what they lack, and begin with what the table holds now.

        `StorageError` when the view's name is taken.
        """
        view = await self._tables.facts(history_sql.view_name(table))
        if view is not None and view.is_table:
            raise StorageError(
                f"`{history_sql.view_name(table)}` in the dataset was not made by productive-ingest",
                advice=f"Rename it, or take `{table}` out of `history`.",
            )
        columns = _log_columns(known_columns(await self._tables.columns(table)))
        log = history_sql.log_name(table)
        wanted = table_for(
            self._rest.named(log),
            columns,
            staleness_minutes=self._rest.settings.staleness_minutes,
            description=_ABOUT.format(view=history_sql.view_name(table)),
            cluster=RECORD,
        )
        await self._tables.make(wanted, columns, appender)
        await self._seed(appender, table, columns)
        await self._thin_out(appender, log)
        await self._make_view(table)

    async def keep(
        self, appender: Appender, schema: TableSchema, rows: Sequence[Row]
    ) -> Mapping[int, RefusedRow]:
        """Log all versions; what was refused, by index."""
        columns = _log_columns(dict(stored_columns(schema)))
        changes = [_logged(values_of(row), row.record.op) for row in rows]
        log = self._rest.path(history_sql.log_name(schema.name))
        return {each.index: each for each in await appender.append(log, columns, changes)}

    async def has(self, table: str) -> bool:
        """Whether there is a log of the table, also one that is no longer added to."""
        return await self._tables.facts(history_sql.log_name(table)) is not None

    async def forget_rows(self, appender: Appender, table: str, ids: Sequence[str]) -> None:
        """Take everything about some records out of the log."""
        log = history_sql.log_name(table)
        await self._tables.show_all(log)
        statement = sql.rows(self._rest.quoted(log), _KEY_ONLY, f"{RECORD} IN UNNEST(@ids)")
        for some in in_portions(ids):
            async for page in self._rest.pages(statement, [texts("ids", some)]):
                await self._take_out(appender, log, [key for (key,) in page])

    async def drop(self, table: str) -> None:
        """Drop the view and the log."""
        for name in (history_sql.view_name(table), history_sql.log_name(table)):
            await self._rest.call(self._rest.client.delete_table, self._rest.named(name), not_found_ok=True)
            self._tables.forget(name)

    async def leave_out(self, table: str, column: str) -> None:
        """Make the view one that does not know a column, before it is dropped from the log."""
        if await self.has(table):
            await self._make_view(table, without=column)

    async def _seed(self, appender: Appender, table: str, columns: Columns) -> None:
        async for changes in self._missing(table, columns):
            await appender.append(self._rest.path(history_sql.log_name(table)), columns, changes)

    async def _thin_out(self, appender: Appender, log: str) -> None:
        """Give up what says nothing, so that a record which is read every day does not fill the log."""
        relation = self._rest.quoted(log)
        [(versions, records)] = await self._rest.rows(history_sql.sightings(relation))
        if versions <= records * _MANY_SIGHTINGS:
            return
        statement = history_sql.needless(relation, await self._types(log), _REPEATS_KEPT_DAYS)
        async for page in self._rest.pages(statement):
            await self._take_out(appender, log, [key for (key,) in page])

    async def _take_out(self, appender: Appender, log: str, keys: Sequence[str]) -> None:
        changes = [ChangeRow("DELETE", PURGE, {KEY: key}) for key in keys]
        await appender.append(self._rest.path(log), _KEY_ONLY, changes)

    async def _types(self, log: str) -> dict[str, ColumnType]:
        facts = await self._tables.facts(log)
        return known_columns(facts.columns) if facts is not None else {}

    async def _missing(self, table: str, columns: Columns) -> AsyncIterator[Sequence[ChangeRow]]:
        relation, log = self._rest.quoted(table), self._rest.quoted(history_sql.log_name(table))
        unlogged = history_sql.unlogged(log)
        [(behind,)] = await self._rest.rows(f"SELECT COUNT(*) FROM {relation} t WHERE {unlogged}")  # noqa: S608
        if behind:
            wanted = [
                (KEY, ColumnType.STRING),
                *(each for each in columns if each[0] not in (KEY, RECORD, OP)),
            ]
            async for page in self._rest.pages(sql.rows(f"{relation} t", wanted, unlogged), page_size=2_000):
                yield [_logged(travelled(wanted, row), "upsert") for row in page]
        statement = history_sql.unlogged_deletions(log, self._rest.quoted(DELETIONS))
        async for page in self._rest.pages(statement, [text("name", table)]):
            yield [_logged(_gone(*row), "delete") for row in page]

    async def _make_view(self, table: str, *, without: str = "") -> None:
        log = history_sql.log_name(table)
        types = await self._types(log)
        types.pop(without, None)
        query = history_sql.create_view(self._rest.quoted(log), types)
        name = history_sql.view_name(table)
        view = await self._tables.facts(name)
        if view is None:
            made = bigquery.Table(self._rest.named(name))
            made.view_query, made.description = query, _VIEW.format(table=table)
            made.labels = dict(LABELS)
            try:
                await self._rest.call(self._rest.client.create_table, made)
            except Conflict:
                view = await self._tables.facts(name)
        if view is not None and view.native.view_query != query:
            view.native.view_query = query
            await self._rest.call(self._rest.client.update_table, view.native, ["view_query"])
        self._tables.forget(name)


def _log_columns(columns: Mapping[str, ColumnType]) -> Columns:
    first = ((KEY, ColumnType.STRING), (RECORD, ColumnType.STRING), (OP, ColumnType.STRING))
    return (*first, *((name, type_) for name, type_ in columns.items() if name != KEY))


def _logged(values: Mapping[str, Value], op: str) -> ChangeRow:
    record = str(values[KEY])
    key = f"{record}/{sequence_of(version_of(values))}"
    number = STATE if op == "upsert" else DELETION
    return ChangeRow("UPSERT", number, {**values, KEY: key, RECORD: record, OP: op})


def _gone(id_: str, changed: int, observed: int) -> Mapping[str, Value]:
    return {KEY: id_, OwnColumn.CHANGED_AT: changed, OwnColumn.SYNCED_AT: observed}
