"""Rows into BigQuery's Storage Write API: what the protocol adds to the encoding of the rows alone.

The server is a process of its own that only confirms. Appending and encoding alone take turns, and of each
the fastest turn counts, so that whatever else the machine does falls on neither.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from google.cloud.bigquery_storage_v1.services.big_query_write import BigQueryWriteAsyncClient

from bench.processes import serving
from bench.report import Figure, Options
from shared.catalog import load_catalog
from shared.catalog.model import ColumnType
from shared.clock import SystemClock
from shared.google.endpoints import STORAGE_WRITE, grpc_transport
from shared.record import Value, Version
from shared.warehouse.bigquery.append_settings import LARGEST_REQUEST, AppendSettings
from shared.warehouse.bigquery.appending import Appender
from shared.warehouse.bigquery.changes import ChangeRow, sequence_of
from shared.warehouse.bigquery.descriptor import Columns, describe
from shared.warehouse.bigquery.encoding import RowEncoder
from shared.warehouse.port import OWN_COLUMNS

_TABLE = "time_entries"
_ROWS = 20_000
_ROUNDS = 12
_MOST_OVERHEAD = 1 / 0.6
"""Rows/s into the protocol shall be at least 0.6 of rows/s of encoding alone."""

_VALUES: dict[ColumnType, Value] = {
    ColumnType.STRING: "text as people write it",
    ColumnType.INT64: 480,
    ColumnType.BOOL: True,
    ColumnType.TIMESTAMP: 1_767_225_600_000_000,
    ColumnType.DATE: 20_000,
    ColumnType.NUMERIC: "1234.5",
    ColumnType.JSON: '{"a":[1,2]}',
    ColumnType.STRING_ARRAY: ["1", "2"],
}


class Timed:
    """The least time that a piece of work took, in seconds: what it takes when nobody else is at work."""

    def __init__(self) -> None:
        self.least = self.least_cpu = float("inf")
        self._started = (0.0, 0.0)

    def __enter__(self) -> None:
        self._started = (time.perf_counter(), time.process_time())

    def __exit__(self, *_: object) -> None:
        self.least = min(self.least, time.perf_counter() - self._started[0])
        self.least_cpu = min(self.least_cpu, time.process_time() - self._started[1])


async def measure(options: Options) -> list[Figure]:
    """Time to append ÷ time to encode, and the encoder against an assignment per field."""
    columns = _columns()
    rows = _rows(columns)
    encoder = RowEncoder(columns)
    rounds = _ROUNDS * (4 if options.full else 1)
    size = sum(map(len, encoder.encode(rows, largest=LARGEST_REQUEST).rows)) / len(rows)
    appending, encoding, naive = Timed(), Timed(), Timed()
    message = describe(columns).message
    async with serving("bench.storage_write_process") as port, _appender(f"127.0.0.1:{port}") as appender:
        table = f"projects/bench-project/datasets/bench/tables/{_TABLE}"
        await _append(appender, table, columns, rows)
        for _ in range(rounds):
            with encoding:
                _encode(encoder, rows)
            with appending:
                await _append(appender, table, columns, rows)
            with naive:
                _assign(message, rows)
    count = len(rows)
    made_of = {"rows at once": count, "columns": len(columns), "bytes a row": size}
    return [
        Figure(
            "storage_write",
            "rows appended and confirmed ÷ rows encoded alone, in time",
            appending.least / encoding.least,
            "ratio",
            at_most=_MOST_OVERHEAD,
            detail={
                "in CPU time of all threads": appending.least_cpu / encoding.least_cpu,
                "appended per s": count / appending.least,
                "encoded per s": count / encoding.least,
                **made_of,
            },
        ),
        Figure(
            "storage_write",
            "rows encoded, every value checked",
            count / encoding.least,
            "rows/s",
            detail={"by assignment, nothing checked, per s": count / naive.least},
        ),
    ]


def _columns() -> Columns:
    columns = [column for column in load_catalog()[_TABLE].columns if not column.secret]
    own = [(str(name), type_) for name, type_ in OWN_COLUMNS]
    return (*((column.name, column.type) for column in columns), *own)


def _rows(columns: Columns) -> Sequence[ChangeRow]:
    # Every row's data is its own, as after decoding.
    data = {name: _VALUES[type_] for name, type_ in columns}
    sequence = sequence_of(Version(1_767_225_600_000_000, 1_767_225_600_000_000))
    return [ChangeRow("UPSERT", sequence, {**data, "id": str(id_)}) for id_ in range(_ROWS)]


@asynccontextmanager
async def _appender(address: str) -> AsyncIterator[Appender]:
    os.environ[STORAGE_WRITE.variable] = address
    try:
        transport = BigQueryWriteAsyncClient.get_transport_class("grpc_asyncio")
        client = BigQueryWriteAsyncClient(transport=grpc_transport(STORAGE_WRITE, transport))
    finally:
        del os.environ[STORAGE_WRITE.variable]
    appender = Appender(client, clock=SystemClock())
    try:
        yield appender
    finally:
        await appender.close()
        await client.transport.close()


async def _append(appender: Appender, table: str, columns: Columns, rows: Sequence[ChangeRow]) -> None:
    refused = await appender.append(table, columns, rows)
    if refused:
        raise RuntimeError(refused[0].reason)


def _encode(encoder: RowEncoder, rows: Sequence[ChangeRow]) -> None:
    step = AppendSettings().rows_at_once
    for start in range(0, len(rows), step):
        encoder.encode(rows[start : start + step], largest=LARGEST_REQUEST)


def _assign(message: Any, rows: Sequence[ChangeRow]) -> None:
    """The way of the examples: a message, and an assignment per field."""
    for row in rows:
        made = message()
        for name, value in row.values.items():
            if isinstance(value, list):
                getattr(made, name).extend(value)
            elif value is not None:
                setattr(made, name, value)
        made._CHANGE_TYPE = row.kind
        made._CHANGE_SEQUENCE_NUMBER = row.sequence
        made.SerializeToString()
