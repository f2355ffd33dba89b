"""The warehouse port over one DuckDB file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from shared.record.model import Value
from shared.warehouse.duckdb import purge, reading, sql
from shared.warehouse.duckdb.engine import Engine
from shared.warehouse.duckdb.query import run_query
from shared.warehouse.duckdb.snapshot import Snapshot
from shared.warehouse.duckdb.stopping import Stop
from shared.warehouse.duckdb.tables import ensure, state_of
from shared.warehouse.duckdb.upsert import upsert
from shared.warehouse.port import Row, SchemaChange, StoredVersion, TableSchema, TableState, WriteOutcome
from shared.warehouse.queries import QueryResult

_CHUNK = 10_000


class DuckdbWarehouse:
    """See `shared.warehouse.port.Warehouse`; one process at a time has the file.

    Besides the port: `query` for people's questions, and `refresh_snapshot` for the copy that others may
    read meanwhile.
    """

    def __init__(self, engine: Engine, snapshot: Snapshot) -> None:
        self._engine = engine
        self._snapshot = snapshot

    @property
    def path(self) -> Path:
        """The file, as an absolute path."""
        return self._engine.path

    @property
    def snapshot_path(self) -> Path:
        """Where the read-only copy is once it has been made."""
        return self._snapshot.path

    async def ensure_table(self, schema: TableSchema) -> SchemaChange:
        """See `Warehouse.ensure_table`; `StorageError` when a column has another type than it should."""
        change = await self._engine.run(lambda cursor: ensure(cursor, schema))
        if change.created or change.added:
            self._snapshot.note_change()
        return change

    async def write(self, schema: TableSchema, rows: Sequence[Row]) -> WriteOutcome:
        """See `Warehouse.write`; a column of the table that the schema leaves out becomes NULL."""
        outcome = await self._engine.run(lambda cursor: upsert(cursor, schema, rows))
        if outcome.applied or (schema.history and outcome.stale):
            self._snapshot.note_change()
        return outcome

    async def state(self, table: str) -> TableState | None:
        """See `Warehouse.state`; column types are in the catalog's words."""
        return await self._engine.run(lambda cursor: state_of(cursor, table))

    async def ids(self, table: str) -> AsyncIterator[Sequence[str]]:
        """See `Warehouse.ids`; ids that are written or deleted meanwhile may be there or not."""
        last: str | None = None
        while True:
            page = await self._engine.run(partial(reading.ids_after, table=table, last=last))
            for start in range(0, len(page), _CHUNK):
                yield page[start : start + _CHUNK].to_pylist()
            if len(page) < sql.SELECT_IDS_LIMIT:
                return
            last = page[-1].as_py()

    async def versions(
        self, table: str, *, observed_before_us: int | None = None
    ) -> AsyncIterator[Sequence[StoredVersion]]:
        """See `Warehouse.versions`; rows that are written or deleted meanwhile may be there or not."""
        async for chunk in self._versions(
            partial(reading.versions_after, table=table, before_us=observed_before_us)
        ):
            yield chunk

    async def tombstones(
        self, table: str, *, observed_before_us: int | None = None
    ) -> AsyncIterator[Sequence[StoredVersion]]:
        """See `Warehouse.tombstones`; nothing is forgotten here but by a purge."""
        async for chunk in self._versions(
            partial(reading.tombstones_after, table=table, before_us=observed_before_us)
        ):
            yield chunk

    async def _versions(self, page_after: Callable[..., Any]) -> AsyncIterator[Sequence[StoredVersion]]:
        last: str | None = None
        while True:
            page = await self._engine.run(partial(page_after, last=last))
            for start in range(0, len(page), _CHUNK):
                columns = (column.to_pylist() for column in page.slice(start, _CHUNK).columns)
                yield [StoredVersion(*row) for row in zip(*columns, strict=True)]
            if len(page) < sql.SELECT_IDS_LIMIT:
                return
            last = page["id"][-1].as_py()

    async def matching(self, table: str, column: str, values: Sequence[str]) -> Sequence[str]:
        """See `Warehouse.matching`; the ids come in order."""
        return await self._engine.run(lambda cursor: reading.ids_matching(cursor, table, column, values))

    async def reading_bytes(self, table: str, columns: Sequence[str]) -> int | None:  # noqa: ARG002
        """See `Warehouse.reading_bytes`: a file of one's own costs nothing to read."""
        return None

    async def fetch(self, schema: TableSchema, ids: Sequence[str]) -> Mapping[str, Mapping[str, Value]]:
        """See `Warehouse.fetch`; columns that the table does not have yet are NULL."""
        return await self._engine.run(lambda cursor: reading.fetch(cursor, schema, ids))

    async def purge_rows(self, table: str, ids: Sequence[str]) -> int:
        """See `Warehouse.purge_rows`."""
        removed = await self._engine.run(lambda cursor: purge.purge_rows(cursor, table, ids))
        self._snapshot.note_change()
        return removed

    async def purge_column(self, table: str, column: str) -> bool:
        """See `Warehouse.purge_column`."""
        removed = await self._engine.run(lambda cursor: purge.purge_column(cursor, table, column))
        self._snapshot.note_change()
        return removed

    async def purge_table(self, table: str) -> bool:
        """See `Warehouse.purge_table`."""
        removed = await self._engine.run(lambda cursor: purge.purge_table(cursor, table))
        self._snapshot.note_change()
        return removed

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
        """Answer one reading SQL statement, `?` standing for the parameters.

        At most `max_rows` rows come back. `ConfigError` when the statement cannot be run or would write,
        and when it takes more than `seconds`. A caller that is cancelled stops it.
        """
        stop = Stop(seconds)
        try:
            return await self._engine.run(
                lambda cursor: run_query(cursor, statement, parameters, max_rows, stop)
            )
        except asyncio.CancelledError:
            stop.now()
            raise

    async def refresh_snapshot(self, *, force: bool = False) -> bool:
        """Replace the read-only copy if it is due; True if it was replaced. See `Snapshot.refresh`."""
        return await self._snapshot.refresh(force=force)

    async def close(self) -> None:
        """Wait for what is being written, and let go of the file; may be called again."""
        await self._engine.close()
