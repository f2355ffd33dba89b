"""The warehouse port over one dataset of BigQuery."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from shared.clock import Clock
from shared.errors import StorageError
from shared.google.failures import Place
from shared.record.model import Value
from shared.warehouse.bigquery import sql
from shared.warehouse.bigquery.appending import Appender
from shared.warehouse.bigquery.failures import translated
from shared.warehouse.bigquery.history import History
from shared.warehouse.bigquery.memory import Deletions
from shared.warehouse.bigquery.purge import Purger
from shared.warehouse.bigquery.query import run_query
from shared.warehouse.bigquery.reading import Reader
from shared.warehouse.bigquery.rest import Rest
from shared.warehouse.bigquery.scratch import prove_on_a_new_table
from shared.warehouse.bigquery.selftest import SelfTestResult
from shared.warehouse.bigquery.states import States
from shared.warehouse.bigquery.tables import Tables
from shared.warehouse.bigquery.writing import Writer
from shared.warehouse.port import Row, SchemaChange, StoredVersion, TableSchema, TableState, WriteOutcome
from shared.warehouse.queries import QueryResult


class BigqueryWarehouse:
    """See `shared.warehouse.port.Warehouse`; any number of processes may read, one should write.

    Rows go in by the Storage Write API (`appender`, None when only reading), everything else is REST. What
    is read from a table may be as old as its staleness: `TableState.late_seconds`.
    """

    def __init__(self, rest: Rest, appender: Appender | None, place: Place, clock: Clock) -> None:
        self._rest = rest
        self._write_path = appender
        self._place = place
        self._clock = clock
        self._tables = Tables(rest, clock)
        self._reader = Reader(rest, self._tables)
        self._states = States(rest, self._tables)
        self._deletions = Deletions(rest, self._tables, clock)
        self._history = History(rest, self._tables)
        self._writer = Writer(rest, self._deletions, self._history)
        self._purger = Purger(rest, self._tables, self._deletions, self._history, clock)

    @property
    def name(self) -> str:
        """`PROJECT.DATASET`."""
        return f"{self._rest.project}.{self._rest.dataset}"

    @property
    def _appender(self) -> Appender:
        if self._write_path is None:
            raise StorageError(
                f"the dataset {self.name} was opened for reading only",
                advice="This is a bug: please report it with the command that was run.",
            )
        return self._write_path

    async def ensure_table(self, schema: TableSchema) -> SchemaChange:
        """See `Warehouse.ensure_table`; `StorageError` when a column has another type than it should.

        Descriptions and the staleness are brought up to date too. Returns when the write path knows all.
        """
        with translated(self._place):
            await self._deletions.ensure(self._appender)
            change = await self._tables.ensure(schema, self._appender)
            if schema.history:
                await self._history.ensure(self._appender, schema.name)
            return change

    async def self_test(self) -> SelfTestResult:
        """Prove on a table made for it that an upsert replaces and a deletion deletes; see `selftest`."""
        with translated(self._place):
            return await prove_on_a_new_table(self._rest, self._tables, self._appender, self._clock)

    async def write(self, schema: TableSchema, rows: Sequence[Row]) -> WriteOutcome:
        """See `Warehouse.write`; a column of the table that the schema leaves out becomes NULL.

        Not as one: a process that dies leaves a part, and the same rows written again make it whole. BigQuery
        does not tell what lost to what it holds: such rows count as applied.
        """
        with translated(self._place):
            return await self._writer.write(self._appender, schema, rows)

    async def state(self, table: str) -> TableState | None:
        """See `Warehouse.state`; what is asked for at once is answered by few queries."""
        with translated(self._place):
            return await self._states.state(table)

    async def ids(self, table: str) -> AsyncIterator[Sequence[str]]:
        """See `Warehouse.ids`; as the table was when it was first asked."""
        with translated(self._place):
            async for chunk in self._reader.ids(table):
                yield chunk

    async def versions(
        self, table: str, *, observed_before_us: int | None = None
    ) -> AsyncIterator[Sequence[StoredVersion]]:
        """See `Warehouse.versions`; as the table was when it was first asked."""
        with translated(self._place):
            async for chunk in self._reader.versions(table, observed_before_us):
                yield chunk

    async def tombstones(
        self, table: str, *, observed_before_us: int | None = None
    ) -> AsyncIterator[Sequence[StoredVersion]]:
        """See `Warehouse.tombstones`; nothing is forgotten here but by a purge.

        A record that was observed less than `memory.FENCE_US` ago is not held against them once BigQuery
        itself has forgotten the deletion, and comes back.
        """
        with translated(self._place):
            async for chunk in self._deletions.tombstones(table, observed_before_us):
                yield chunk

    async def matching(self, table: str, column: str, values: Sequence[str]) -> Sequence[str]:
        """See `Warehouse.matching`; the ids come in order."""
        with translated(self._place):
            return await self._reader.matching(table, column, values) if values else ()

    async def reading_bytes(self, table: str, columns: Sequence[str]) -> int | None:
        """See `Warehouse.reading_bytes`."""
        with translated(self._place):
            return await self._reader.reading_bytes(table, columns)

    async def fetch(self, schema: TableSchema, ids: Sequence[str]) -> Mapping[str, Mapping[str, Value]]:
        """See `Warehouse.fetch`; columns that the table does not have yet are NULL."""
        with translated(self._place):
            return await self._reader.fetch(schema, ids) if ids else {}

    async def purge_rows(self, table: str, ids: Sequence[str]) -> int:
        """See `Warehouse.purge_rows`; BigQuery keeps out what was purged, or is older, for two days."""
        with translated(self._place):
            return await self._purger.rows(self._appender, table, ids)

    async def purge_column(self, table: str, column: str) -> bool:
        """See `Warehouse.purge_column`."""
        with translated(self._place):
            return await self._purger.column(self._appender, table, column)

    async def purge_table(self, table: str) -> bool:
        """See `Warehouse.purge_table`."""
        with translated(self._place):
            return await self._purger.table(self._appender, table)

    def quote(self, name: str) -> str:
        """See `QueryableWarehouse.quote`."""
        return sql.quote(name)

    async def query(
        self,
        statement: str,
        parameters: Sequence[Any] = (),
        *,
        max_rows: int = 10_000,
        seconds: float | None = None,
    ) -> QueryResult:
        """See `QueryableWarehouse.query`; `ConfigError` also when it would read more than it may."""
        with translated(self._place):
            return await run_query(self._rest, statement, parameters, max_rows, seconds)

    async def close(self) -> None:
        """Let go of connections and threads; may be called again."""
        if self._write_path is not None:
            await self._write_path.close()
        await self._rest.close()
