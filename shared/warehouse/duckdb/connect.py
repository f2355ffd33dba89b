"""From a `duckdb:` URL to an open warehouse."""

from __future__ import annotations

from shared.clock import Clock
from shared.urls import path_of
from shared.warehouse.duckdb.adapter import DuckdbWarehouse
from shared.warehouse.duckdb.engine import DuckdbSettings, Engine
from shared.warehouse.duckdb.snapshot import Snapshot


async def connect(url: str, *, read_only: bool, clock: Clock, settings: DuckdbSettings) -> DuckdbWarehouse:
    """Open the file that the URL names, and make it (and its folder) unless `read_only`.

    `ConfigError` for a URL that names no file, `BusyError` when another process has it,
    `StorageError` when it cannot be used.
    """
    engine = Engine(path_of(url), read_only=read_only, settings=settings)
    await engine.open()
    return DuckdbWarehouse(engine, Snapshot(engine, clock, interval=settings.snapshot_seconds))
