"""Opens the warehouse for reading, whether or not a writer has it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from services.cli.output import Output
from services.cli.warehouses import open_configured
from shared.clock import SystemClock
from shared.config import Settings
from shared.errors import BusyError
from shared.urls import path_of, url_of
from shared.warehouse import QueryableWarehouse, ask_for_snapshot, snapshot_path_of

_PATIENCE_SECONDS = 5.0


@asynccontextmanager
async def open_for_reading(settings: Settings, output: Output) -> AsyncIterator[QueryableWarehouse]:
    """The warehouse, or while another process writes an embedded one a fresh copy that it makes for us."""
    try:
        warehouse = await open_configured(settings, read_only=True)
    except BusyError:
        snapshot = snapshot_path_of(path_of(settings.warehouse_url))
        fresh = await ask_for_snapshot(snapshot, SystemClock(), patience_seconds=_PATIENCE_SECONDS)
        if not snapshot.exists():
            raise
        since = "of this moment" if fresh else f"of {_written(snapshot)}"
        output.note(f"a writer has the warehouse; reading its copy {snapshot} {since}", style="dim")
        warehouse = await open_configured(settings, read_only=True, url=url_of("duckdb", snapshot))
    try:
        yield warehouse
    finally:
        await warehouse.close()


def _written(path: Path) -> str:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(sep=" ", timespec="seconds")
