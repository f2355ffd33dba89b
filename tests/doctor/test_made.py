"""The doctor finds nothing to mend about what the adapters themselves make."""

from __future__ import annotations

import pytest

from shared.bus import BusSettings
from shared.bus.pubsub.connect import connect as connect_bus
from shared.bus.pubsub.examine import examine as examine_bus
from shared.catalog.model import ColumnType
from shared.clock import ManualClock, SystemClock
from shared.google.examination import Examination, Store
from shared.warehouse import TableSchema
from shared.warehouse.bigquery.connect import connect as connect_warehouse
from shared.warehouse.bigquery.examine import examine as examine_warehouse
from shared.warehouse.bigquery.settings import BigquerySettings
from tests.google.bigquery_place import BigqueryPlace, bigquery_emulator, bigquery_place
from tests.google.pubsub_server import running_pubsub
from tests.google.pubsub_state import PubsubState

__all__ = ["bigquery_emulator", "bigquery_place"]


@pytest.mark.parametrize("store", [Store.RECORDS, Store.INTAKE])
async def test_a_bus_that_its_adapter_made_is_as_it_should_be(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_pubsub(PubsubState(ManualClock())) as server:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", f"127.0.0.1:{server.port}")
        url = "pubsub://acme-data/records"
        missing = await examine_bus(url, Examination(store, ManualClock()))
        assert {finding.state for finding in missing} == {"problem"}
        bus = await connect_bus(url, clock=SystemClock(), settings=BusSettings())
        await bus.close()
        made = await examine_bus(url, Examination(store, ManualClock()))
        assert {finding.state for finding in made} == {"good"}


async def test_a_dataset_that_its_adapter_made_is_as_it_should_be(bigquery_place: BigqueryPlace) -> None:
    examination = Examination(Store.WAREHOUSE, ManualClock(), tables=("deals",))
    [missing] = await examine_warehouse(bigquery_place.url, examination)
    assert (missing.state, missing.text) == ("problem", "does not exist")
    warehouse = await connect_warehouse(
        bigquery_place.url, read_only=False, clock=SystemClock(), settings=BigquerySettings()
    )
    await warehouse.ensure_table(TableSchema("deals", (("id", ColumnType.STRING),)))
    await warehouse.close()
    made = await examine_warehouse(bigquery_place.url, examination)
    assert {finding.state for finding in made} == {"good"}
    assert "1 of 1 tables chosen are in it" in made[0].text
