"""The warehouse in a DuckDB file: rows written in a second, by the size of a batch, for information."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from bench.report import Figure, Options
from shared.catalog import load_catalog
from shared.catalog.model import Column, ColumnType
from shared.record import Record, Source, Value, Version
from shared.urls import url_of
from shared.warehouse import DuckdbWarehouse, Row, TableSchema, open_duckdb

_TABLE = "time_entries"
_ROWS = 40_000
_MANY = 400_000
_BATCHES = (200, 1_000, 5_000, 20_000)
_LIMIT_SECONDS = 5.0

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


async def measure(options: Options) -> list[Figure]:
    """The first load of a table, then updates of rows all over it."""
    columns = [column for column in load_catalog()[_TABLE].columns if not column.secret]
    schema = TableSchema(_TABLE, tuple((column.name, column.type) for column in columns))
    rows = _MANY if options.full else _ROWS
    figures = []
    for size in _BATCHES:
        warehouse = await open_duckdb(url_of("duckdb", options.folder / f"rows-{size}.duckdb"))
        try:
            await warehouse.ensure_table(schema)
            for what, version in (("first load", 1), ("updates", 2)):
                batches = _batches(columns, rows=rows, size=size, version=version)
                written, seconds = await _write(warehouse, schema, batches)
                figures.append(
                    Figure(
                        "warehouse",
                        f"{what} of `{_TABLE}`, {size:,} rows at a time",
                        written / seconds,
                        "rows/s",
                        detail={"rows": written, "columns": len(columns)},
                    )
                )
        finally:
            await warehouse.close()
    return figures


def _batches(columns: Sequence[Column], *, rows: int, size: int, version: int) -> Iterator[list[Row]]:
    """All ids from 0 on, in steps that make every batch touch the whole table."""
    data = {column.name: _VALUES[column.type] for column in columns}
    count = -(-rows // size)
    for start in range(count):
        # The data of each row is its own, as after decoding.
        ids = range(start, rows, count)
        yield [
            Row(
                Record(str(id_), "upsert", Version(version, version), {**data, "id": str(id_)}),
                Source.BACKFILL,
                "a-run",
            )
            for id_ in ids
        ]


async def _write(
    warehouse: DuckdbWarehouse, schema: TableSchema, batches: Iterator[list[Row]]
) -> tuple[int, float]:
    """Rows written and seconds that the warehouse took, until all are written or the time is up."""
    written, seconds = 0, 0.0
    for batch in batches:
        started = time.perf_counter()
        outcome = await warehouse.write(schema, batch)
        seconds += time.perf_counter() - started
        written += outcome.applied
        if outcome.applied != len(batch):
            raise RuntimeError(f"{outcome.applied:,} of {len(batch):,} rows were written")
        if seconds > _LIMIT_SECONDS:
            break
    return written, seconds
