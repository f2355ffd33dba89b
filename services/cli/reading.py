"""Opens the warehouse for reading, whether or not a writer has it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from services.cli.output import Output
from shared.clock import SystemClock
from shared.config import Settings
from shared.errors import BusyError
from shared.urls import path_of, url_of
from shared.warehouse import (
    DuckdbSettings,
    DuckdbWarehouse,
    ask_for_snapshot,
    open_warehouse,
    snapshot_path_of,
)

_PATIENCE_SECONDS = 5.0


def duckdb_settings(settings: Settings) -> DuckdbSettings:
    """What DuckDB may use of this machine."""
    return DuckdbSettings(memory_limit=settings.duckdb_memory)


@asynccontextmanager
async def open_for_reading(settings: Settings, output: Output) -> AsyncIterator[DuckdbWarehouse]:
    """The warehouse, or while another process writes it a fresh copy which that process makes for us."""
    duckdb = duckdb_settings(settings)
    try:
        warehouse = await open_warehouse(settings.warehouse_url, read_only=True, duckdb=duckdb)
    except BusyError:
        snapshot = snapshot_path_of(path_of(settings.warehouse_url))
        fresh = await ask_for_snapshot(snapshot, SystemClock(), patience_seconds=_PATIENCE_SECONDS)
        if not snapshot.exists():
            raise
        since = "of this moment" if fresh else f"of {_written(snapshot)}"
        output.note(f"a writer has the warehouse; reading its copy {snapshot} {since}", style="dim")
        warehouse = await open_warehouse(url_of("duckdb", snapshot), read_only=True, duckdb=duckdb)
    try:
        yield warehouse
    finally:
        await warehouse.close()


def _written(path: Path) -> str:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(sep=" ", timespec="seconds")
