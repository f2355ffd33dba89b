"""The DuckDB file is a warehouse like any other."""

from __future__ import annotations

import pytest

from shared.warehouse import Warehouse, open_warehouse
from tests.contracts.warehouse import Connect, WarehouseContract


class TestDuckdbWarehouse(WarehouseContract):
    @pytest.fixture
    def connect(self, url: str) -> Connect:
        async def connect() -> Warehouse:
            return await open_warehouse(url)

        return connect
