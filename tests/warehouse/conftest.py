from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.urls import url_of
from shared.warehouse import DuckdbWarehouse, open_duckdb
from tests.google.bigquery_place import bigquery_emulator, bigquery_place

__all__ = ["bigquery_emulator", "bigquery_place"]


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Where the warehouse of the test lies."""
    return url_of("duckdb", tmp_path / "agency.duckdb")


@pytest.fixture
async def warehouse(url: str) -> AsyncIterator[DuckdbWarehouse]:
    warehouse = await open_duckdb(url)
    yield warehouse
    await warehouse.close()
