"""What the tests of the warehouse on BigQuery share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from google.cloud import bigquery

from shared.clock import MICROSECONDS, Clock, SystemClock
from shared.warehouse.bigquery.adapter import BigqueryWarehouse
from shared.warehouse.bigquery.connect import connect
from shared.warehouse.bigquery.settings import BigquerySettings
from tests.google.bigquery_place import BigqueryPlace

FRESH = BigquerySettings(staleness_minutes=0)
"""What is written shows at once."""


class LongAgo(SystemClock):
    """It is 1970, when the rows of the suite were observed: none is old, and BigQuery alone orders them."""

    def now_us(self) -> int:
        return 0


class MovingClock(SystemClock):
    """The machine's clock, which can be put forward."""

    def __init__(self) -> None:
        self.passed = 0.0

    def now_us(self) -> int:
        return super().now_us() + round(self.passed * MICROSECONDS)


def let_pass(place: BigqueryPlace, clock: MovingClock, seconds: float) -> None:
    """Let time pass for BigQuery and for us."""
    if place.emulator is None:
        pytest.skip("time passes only on the emulator")
    place.emulator.let_pass(seconds)
    clock.passed += seconds


@asynccontextmanager
async def opened(
    place: BigqueryPlace,
    *,
    clock: Clock | None = None,
    read_only: bool = False,
    **options: Any,
) -> AsyncIterator[BigqueryWarehouse]:
    """The warehouse at the place, closed afterwards; the options are those of `BigquerySettings`."""
    settings = BigquerySettings(**{"staleness_minutes": 0, **options})
    warehouse = await connect(place.url, read_only=read_only, clock=clock or LongAgo(), settings=settings)
    try:
        yield warehouse
    finally:
        await warehouse.close()


def table_of(place: BigqueryPlace, table: str) -> bigquery.Table:
    """A table as BigQuery describes it."""
    with place.client() as client:
        found: bigquery.Table = client.get_table(f"{place.project}.{place.dataset}.{table}", retry=None)
        return found
