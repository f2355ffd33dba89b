"""Rows into BigQuery by the Storage Write API: upserts and deletions, each confirmed durable."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from google.cloud.bigquery_storage_v1.services.big_query_write import BigQueryWriteAsyncClient

from shared.catalog.model import ColumnType
from shared.clock import Clock
from shared.warehouse.bigquery.changes import ChangeRow, sequence_of
from shared.warehouse.port import RefusedRow

__all__ = ["AppendSettings", "Appender", "ChangeRow", "sequence_of"]


@dataclass(frozen=True, slots=True)
class AppendSettings:
    """How rows are sent; every wait and every memory has an end."""

    patience_seconds: float = 60.0
    """How long unconfirmed rows are sent again before `UnreachableError`."""


class Appender:
    """Sends changes to tables over one connection each. Not to be shared between event loops."""

    def __init__(
        self,
        client: BigQueryWriteAsyncClient,
        *,
        clock: Clock,
        settings: AppendSettings = AppendSettings(),
    ) -> None:
        self._client = client
        self._clock = clock
        self._settings = settings

    async def append(
        self, table: str, columns: tuple[tuple[str, ColumnType], ...], rows: Sequence[ChangeRow]
    ) -> Sequence[RefusedRow]:
        """Send changes to `projects/P/datasets/D/tables/T`; returns when all are confirmed durable.

        `columns` are all that may be written, `id` among them. What is returned are the rows that BigQuery
        would not take, by index and with the reason; every other row is durable. Rows may be sent more than
        once and in any order, which their sequence numbers make harmless. May be called concurrently, also
        for one table, and cancelled. `UnreachableError` when the rows were not confirmed in time, also when
        a quota stayed exhausted; `StorageError` when the table cannot be written to.
        """
        raise NotImplementedError

    async def wait_for_columns(self, table: str, columns: Collection[str]) -> None:
        """Return when the write path knows all these columns of a table: after it was made or altered.

        `UnreachableError` when it does not in time.
        """
        raise NotImplementedError

    async def close(self) -> None:
        """Let go of all connections; appends that wait end with `UnreachableError`. May be called again."""
        raise NotImplementedError
