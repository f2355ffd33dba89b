"""The DuckDB file is a warehouse like any other."""

from __future__ import annotations

import pytest

from shared.catalog.model import ColumnType
from shared.warehouse import DuckdbWarehouse, TableSchema, Warehouse, open_duckdb
from shared.warehouse.duckdb.sql import travelling
from tests.contracts.warehouse import Connect, WarehouseContract
from tests.contracts.warehouse_history import HistoryContract, Period


class TestDuckdbWarehouse(HistoryContract, WarehouseContract):
    @pytest.fixture
    def connect(self, url: str) -> Connect:
        async def connect() -> Warehouse:
            return await open_duckdb(url)

        return connect

    async def history(self, warehouse: Warehouse, schema: TableSchema) -> list[Period]:
        assert isinstance(warehouse, DuckdbWarehouse)
        columns = [(name, type_) for name, type_ in (*schema.columns, ("_unparsed", ColumnType.JSON))]
        # In the form in which values travel, as the rows of the table come back.
        selected = ", ".join(travelling(name, type_) for name, type_ in columns)
        found = await warehouse.query(
            f"SELECT {selected}, epoch_us(_valid_from), epoch_us(_valid_to), _is_current "
            f'FROM "{schema.name}_history" ORDER BY id, _valid_from, _valid_to NULLS LAST'
        )
        names = [name for name, _ in columns]
        return [
            Period(
                values[0],
                {name: value for name, value in zip(names, values, strict=False) if value is not None},
                *values[-3:],
            )
            for values in found.rows
        ]
