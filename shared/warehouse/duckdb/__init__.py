"""The warehouse in one DuckDB file."""

from shared.warehouse.duckdb.adapter import DuckdbWarehouse
from shared.warehouse.duckdb.connect import connect
from shared.warehouse.duckdb.engine import DuckdbSettings
from shared.warehouse.duckdb.failures import snapshot_path_of
from shared.warehouse.duckdb.requests import ask as ask_for_snapshot

__all__ = [
    "DuckdbSettings",
    "DuckdbWarehouse",
    "ask_for_snapshot",
    "connect",
    "snapshot_path_of",
]
