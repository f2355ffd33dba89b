"""A dataset of BigQuery is a warehouse like any other."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.catalog.model import ColumnType
from shared.warehouse import TableSchema, Warehouse
from shared.warehouse.bigquery.adapter import BigqueryWarehouse
from shared.warehouse.bigquery.connect import connect as connect_bigquery
from shared.warehouse.bigquery.reading import travelled
from shared.warehouse.bigquery.sql import quote, travelling
from tests.contracts.warehouse import Connect, WarehouseContract
from tests.contracts.warehouse_history import HistoryContract, Period
from tests.google.bigquery_place import BigqueryPlace
from tests.warehouse.bigquery import FRESH, LongAgo

SLOW = settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)


class TestBigqueryWarehouse(HistoryContract, WarehouseContract):
    tells_stale_rows = False
    keeps_null_arrays = False
    keeps_json_text = False
    forgets_purges_at_once = False

    @pytest.fixture
    def connect(self, bigquery_place: BigqueryPlace) -> Connect:
        async def connect() -> Warehouse:
            return await connect_bigquery(
                bigquery_place.url, read_only=False, clock=LongAgo(), settings=FRESH
            )

        return connect

    @SLOW
    @given(history=st.data())
    async def test_any_order_partition_and_repetition_of_states_ends_in_the_same_table(
        self, warehouse: Warehouse, history: st.DataObject
    ) -> None:
        await self.ends_in_the_same_table(warehouse, history)

    @SLOW
    @given(history=st.data())
    async def test_any_order_partition_and_repetition_of_versions_ends_in_the_same_history(
        self, warehouse: Warehouse, history: st.DataObject
    ) -> None:
        await self.ends_in_the_same_history(warehouse, history)

    async def history(self, warehouse: Warehouse, schema: TableSchema) -> list[Period]:
        assert isinstance(warehouse, BigqueryWarehouse)
        columns = [(name, type_) for name, type_ in (*schema.columns, ("_unparsed", ColumnType.JSON))]
        # In the form in which values travel, as the rows of the table come back.
        selected = ", ".join(f"{travelling(name, type_)} AS {quote(name)}" for name, type_ in columns)
        found = await warehouse.query(
            f"SELECT {selected}, UNIX_MICROS(_valid_from) AS valid_from, UNIX_MICROS(_valid_to) AS valid_to, "
            f"_is_current FROM {quote(f'{schema.name}_history')} ORDER BY id, valid_from, valid_to NULLS LAST"
        )
        return [Period(values[0], travelled(columns, values[:-3]), *values[-3:]) for values in found.rows]
