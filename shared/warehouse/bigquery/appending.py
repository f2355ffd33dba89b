"""Rows into BigQuery by the Storage Write API: upserts and deletions, each confirmed durable."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from typing import Final, TypeVar

from google.cloud.bigquery_storage_v1.services.big_query_write import BigQueryWriteAsyncClient

from shared.catalog.model import ColumnType
from shared.clock import Clock
from shared.errors import UnreachableError
from shared.warehouse.bigquery.append_settings import LARGEST_REQUEST, AppendSettings
from shared.warehouse.bigquery.changes import ChangeRow, sequence_of
from shared.warehouse.bigquery.connection import Connection
from shared.warehouse.bigquery.connections import Connections
from shared.warehouse.bigquery.delivery import Delivery
from shared.warehouse.bigquery.descriptor import Columns
from shared.warehouse.bigquery.encoding import RowEncoder
from shared.warehouse.bigquery.pacing import Pace
from shared.warehouse.bigquery.parcels import Packer, Parcel
from shared.warehouse.bigquery.room import Room
from shared.warehouse.bigquery.write_schema import wait_for_columns
from shared.warehouse.port import RefusedRow

__all__ = ["AppendSettings", "Appender", "ChangeRow", "sequence_of"]

_MOST_KEPT: Final = 500
"""Encoders and paces; a table more is as new."""
_REST_OF_REQUEST: Final = 2_000
"""Bytes of a request beside its rows and their descriptor: names, lengths, an id."""

_Key = TypeVar("_Key")
_Kept = TypeVar("_Kept")


class Appender:
    """Sends changes to tables over one connection each. Not to be shared between event loops."""

    def __init__(
        self,
        client: BigQueryWriteAsyncClient,
        *,
        clock: Clock,
        settings: AppendSettings = AppendSettings(),  # noqa: B008 -- immutable
    ) -> None:
        self._client = client
        self._clock = clock
        self._settings = settings
        self._connections = Connections(
            lambda table: Connection(client, table, settings), clock=clock, settings=settings
        )
        self._room = Room(requests=settings.requests_of_all, bytes_=settings.bytes_of_all)
        self._encoders: OrderedDict[Columns, RowEncoder] = OrderedDict()
        self._paces: OrderedDict[str, Pace] = OrderedDict()
        self._sending: set[asyncio.Task[None]] = set()
        self._closed = False

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
        self._check_open()
        encoder = _kept(self._encoders, columns, partial(RowEncoder, columns))
        delivery = Delivery(
            table,
            encoder,
            self._connections,
            _kept(self._paces, table, partial(Pace, self._clock, self._settings)),
            self.wait_for_columns,
            clock=self._clock,
            settings=self._settings,
        )
        refused: list[RefusedRow] = []
        places = asyncio.Semaphore(self._settings.requests_in_flight)
        try:
            async with asyncio.TaskGroup() as group:
                for parcels in self._encode(encoder, rows, refused):
                    for parcel in parcels:
                        await places.acquire()
                        await self._room.take(parcel.size)
                        self._check_open()
                        task = group.create_task(_collect(delivery, parcel, refused))
                        self._sending.add(task)
                        task.add_done_callback(partial(self._sent, parcel.size, places))
                    await asyncio.sleep(0)  # encoding is work: let others have their turn
                    self._check_open()
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        self._check_open()
        return sorted(refused, key=lambda row: row.index)

    async def wait_for_columns(self, table: str, columns: Collection[str]) -> None:
        """Return when the write path knows all these columns of a table: after it was made or altered.

        `UnreachableError` when it does not in time, `StorageError` when we may not ask.
        """
        await wait_for_columns(
            self._client,
            table,
            columns,
            clock=self._clock,
            settings=self._settings,
            check=self._check_open,
        )

    async def close(self) -> None:
        """Let go of all connections; appends that wait end with `UnreachableError`. May be called again."""
        self._closed = True
        for task in self._sending:
            task.cancel()
        await self._connections.close()
        if self._sending:
            await asyncio.wait(self._sending)

    def _encode(
        self, encoder: RowEncoder, rows: Sequence[ChangeRow], refused: list[RefusedRow]
    ) -> Iterator[Iterable[Parcel]]:
        """The rows as parcels, in steps of bounded work."""
        packer = Packer(self._settings.request_bytes)
        step = self._settings.rows_at_once
        largest = LARGEST_REQUEST - len(encoder.schema) - _REST_OF_REQUEST
        for start in range(0, len(rows), step):
            encoded = encoder.encode(rows[start : start + step], largest=largest)
            refused += [RefusedRow(start + row.index, row.reason) for row in encoded.refused]
            indexes = (start + index for index in encoded.indexes)
            yield packer.add(zip(encoded.rows, indexes, strict=True))
        yield packer.rest()

    def _sent(self, size: int, places: asyncio.Semaphore, task: asyncio.Task[None]) -> None:
        # Not in the task itself: one that is cancelled before it began never runs.
        self._sending.discard(task)
        self._room.give(size)
        places.release()

    def _check_open(self) -> None:
        if self._closed:
            raise UnreachableError(
                "the warehouse was closed meanwhile", advice="What was not confirmed is sent again later."
            )


async def _collect(delivery: Delivery, parcel: Parcel, refused: list[RefusedRow]) -> None:
    refused += await delivery.deliver(parcel)


def _kept(cache: OrderedDict[_Key, _Kept], key: _Key, make: Callable[[], _Kept]) -> _Kept:
    """What a bounded cache holds for the key, or is made for it."""
    kept = cache.pop(key, None) or make()
    cache[key] = kept
    if len(cache) > _MOST_KEPT:
        cache.popitem(last=False)
    return kept
