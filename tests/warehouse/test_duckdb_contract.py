"""The DuckDB file is a warehouse like any other."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.warehouse import Warehouse, open_warehouse
from tests.contracts.warehouse import Connect, WarehouseContract


class TestDuckdbWarehouse(WarehouseContract):
    @pytest.fixture
    def connect(self, tmp_path: Path) -> Connect:
        async def connect() -> Warehouse:
            return await open_warehouse(f"duckdb://{tmp_path}/agency.duckdb")

        return connect
