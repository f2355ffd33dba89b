"""The warehouse port and its adapters, chosen by URL."""

from __future__ import annotations

from shared.clock import Clock, SystemClock
from shared.google.installed import adapter_on_demand
from shared.urls import scheme_of, unknown_scheme
from shared.warehouse.bigquery.settings import BigquerySettings
from shared.warehouse.duckdb import (
    DuckdbSettings,
    DuckdbWarehouse,
    ask_for_snapshot,
    connect,
    snapshot_path_of,
)
from shared.warehouse.port import (
    OWN_COLUMNS,
    RefusedRow,
    Row,
    SchemaChange,
    StoredVersion,
    TableNotes,
    TableSchema,
    TableState,
    Warehouse,
    WriteOutcome,
)
from shared.warehouse.queries import QueryableWarehouse, QueryResult, SelfTesting

_SCHEMES = ("bigquery", "duckdb")
_connect_bigquery = adapter_on_demand("shared.warehouse.bigquery.connect", "bigquery")


async def open_warehouse(
    url: str,
    *,
    read_only: bool = False,
    clock: Clock | None = None,
    duckdb: DuckdbSettings | None = None,
    bigquery: BigquerySettings | None = None,
) -> QueryableWarehouse:
    """Open the warehouse that a URL names: `duckdb:///absolute/path`, or `bigquery://PROJECT/DATASET`.

    `ConfigError` for a URL without an adapter, `BusyError` when another process holds the store,
    `StorageError` when it cannot be used.
    """
    if scheme_of(url) != "bigquery":
        return await open_duckdb(url, read_only=read_only, clock=clock, settings=duckdb)
    warehouse: QueryableWarehouse = await _connect_bigquery(
        url, read_only=read_only, clock=clock or SystemClock(), settings=bigquery or BigquerySettings()
    )
    return warehouse


async def open_duckdb(
    url: str,
    *,
    read_only: bool = False,
    clock: Clock | None = None,
    settings: DuckdbSettings | None = None,
) -> DuckdbWarehouse:
    """Open an embedded warehouse, for whoever needs more of it than the port; raises as `open_warehouse`."""
    if scheme_of(url) != "duckdb":
        raise unknown_scheme("warehouse", url, _SCHEMES)
    return await connect(
        url, read_only=read_only, clock=clock or SystemClock(), settings=settings or DuckdbSettings()
    )


__all__ = [
    "OWN_COLUMNS",
    "BigquerySettings",
    "DuckdbSettings",
    "DuckdbWarehouse",
    "QueryResult",
    "QueryableWarehouse",
    "RefusedRow",
    "Row",
    "SchemaChange",
    "SelfTesting",
    "StoredVersion",
    "TableNotes",
    "TableSchema",
    "TableState",
    "Warehouse",
    "WriteOutcome",
    "ask_for_snapshot",
    "open_duckdb",
    "open_warehouse",
    "snapshot_path_of",
]
