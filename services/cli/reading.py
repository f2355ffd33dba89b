"""Opens the warehouse for reading, whether or not a writer has it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.cli.output import Output
from shared.config import Settings
from shared.errors import BusyError
from shared.urls import path_of, url_of
from shared.warehouse import DuckdbWarehouse, open_warehouse, snapshot_path_of


@asynccontextmanager
async def open_for_reading(settings: Settings, output: Output) -> AsyncIterator[DuckdbWarehouse]:
    """The warehouse, or while another process writes it the read-only copy which that process keeps."""
    try:
        warehouse = await open_warehouse(settings.warehouse_url, read_only=True)
    except BusyError:
        snapshot = snapshot_path_of(path_of(settings.warehouse_url))
        if not snapshot.exists():
            raise
        output.note(f"a writer has the warehouse; reading its copy {snapshot}", style="dim")
        warehouse = await open_warehouse(url_of("duckdb", snapshot), read_only=True)
    try:
        yield warehouse
    finally:
        await warehouse.close()
