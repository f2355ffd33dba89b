"""Opens the warehouse in the settings, whatever it is, and keeps the copy that an embedded one needs."""

from __future__ import annotations

import asyncio
import logging

from shared.config import Settings
from shared.errors import StorageError
from shared.warehouse import (
    BigquerySettings,
    DuckdbSettings,
    DuckdbWarehouse,
    QueryableWarehouse,
    SelfTesting,
    Warehouse,
    open_warehouse,
)

log = logging.getLogger(__name__)

_COPY_SECONDS = 0.1
_COPY_RETRY_SECONDS = 5.0


async def open_configured(
    settings: Settings, *, read_only: bool = False, url: str | None = None
) -> QueryableWarehouse:
    """The warehouse in the settings, or the one of that kind at `url`; raises as `open_warehouse`."""
    return await open_warehouse(
        url or settings.warehouse_url,
        read_only=read_only,
        duckdb=duckdb_settings(settings),
        bigquery=bigquery_settings(settings),
    )


async def prove(warehouse: Warehouse) -> None:
    """Have a warehouse that can do so try itself; `StorageError` when it would not keep rows right."""
    if isinstance(warehouse, SelfTesting) and (problems := (await warehouse.self_test()).problems):
        raise StorageError(
            f"the warehouse does not keep rows as it must: {'; '.join(problems)}",
            advice="Nothing was written, and what waits on the bus stays there. `productive-ingest doctor` "
            "looks for the cause.",
        )


def duckdb_settings(settings: Settings) -> DuckdbSettings:
    """What DuckDB may use of this machine."""
    return DuckdbSettings(memory_limit=settings.duckdb_memory)


def bigquery_settings(settings: Settings) -> BigquerySettings:
    """How late tables may show changes, and what a query may cost."""
    return BigquerySettings(
        location=settings.bigquery_location,
        live_staleness_minutes=settings.bigquery_live_staleness_minutes,
        staleness_minutes=settings.bigquery_staleness_minutes,
        max_gigabytes_per_query=settings.bigquery_max_gigabytes_per_query,
    )


async def keep_copy(warehouse: Warehouse) -> None:
    """Keep the read-only copy fresh, until cancelled; how often it is really made is the adapter's matter.

    A copy that cannot be made is tried again later: what it is a copy of is safe. A warehouse that others
    can read while it is written needs none.
    """
    if not isinstance(warehouse, DuckdbWarehouse):
        await asyncio.Event().wait()
        return
    while True:
        try:
            await warehouse.refresh_snapshot(force=not warehouse.snapshot_path.exists())
            pause = _COPY_SECONDS
        except StorageError as error:
            log.warning("%s", error)
            pause = _COPY_RETRY_SECONDS
        await asyncio.sleep(pause)


async def renew_copy(warehouse: Warehouse) -> None:
    """Make the read-only copy anew if it is not of this moment; `StorageError` when that fails."""
    if isinstance(warehouse, DuckdbWarehouse):
        await warehouse.refresh_snapshot(force=True)


def where_to_ask(warehouse: Warehouse) -> str:
    """For people: how to query it while it is written."""
    if isinstance(warehouse, DuckdbWarehouse):
        return f"for queries there is {warehouse.snapshot_path}"
    return "query it while it is written"
