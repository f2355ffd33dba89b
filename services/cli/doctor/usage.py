"""How large the tables are and how much is written to them: what the costs are reckoned from.

An embedded warehouse is measured as if its tables were BigQuery's.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from services.cli.output import Output
from services.cli.reading import open_for_reading
from services.cli.selection import look_at_selection
from shared.catalog.selection import SelectedTable
from shared.clock import MICROSECONDS, Clock
from shared.config import Settings
from shared.google.costs import TableUse, Usage
from shared.record.model import OwnColumn, Source
from shared.warehouse import QueryableWarehouse, TableState

_DAYS: Final = 7
_SAMPLE: Final = 1_000
_SIZES: Final[tuple[tuple[type, int], ...]] = (
    (type(None), 0),
    (bool, 1),
    (Decimal, 16),
    (int, 8),
    (float, 8),
    (datetime, 8),
    (date, 8),
)


@dataclass(frozen=True)
class Given:
    """What a person says instead of having it measured."""

    changes_per_day: float | None = None
    webhooks_per_day: float | None = None
    queries_per_day: float = 50.0


@dataclass(frozen=True)
class Measured:
    """One table, and how many of its rows webhooks brought in a day."""

    use: TableUse
    webhooks_per_day: float


async def measure(settings: Settings, output: Output, clock: Clock, given: Given) -> Usage:
    """The use that is made of the tables; those that are not in the warehouse are left out."""
    selected = (await look_at_selection(settings)).tables
    async with AsyncExitStack() as stack:
        warehouse = await stack.enter_async_context(open_for_reading(settings, output))
        found = []
        for name, table in selected.items():
            state = await warehouse.state(name)
            if state is not None:
                minutes = _staleness(settings, table)
                found.append(
                    await _measured(warehouse, name, state, minutes=minutes, clock=clock, given=given)
                )
    tables = [one.use for one in found]
    if given.changes_per_day is not None:
        tables = spread(tables, given.changes_per_day)
    webhooks = given.webhooks_per_day
    if webhooks is None:
        webhooks = sum(one.webhooks_per_day for one in found)
    return Usage(tables, webhooks_per_day=webhooks, queries_per_day=given.queries_per_day)


def spread(tables: Sequence[TableUse], changes_per_day: float) -> list[TableUse]:
    """The tables with so many changes among them, each in proportion to its rows."""
    rows = sum(table.rows for table in tables) or 1
    return [replace(table, changes_per_day=changes_per_day * table.rows / rows) for table in tables]


def logical_bytes(value: Any) -> float:
    """What BigQuery counts for a value (documented under "Data type sizes"); a JSON as its text."""
    if isinstance(value, str | bytes):
        return 2 + len(value.encode() if isinstance(value, str) else value)
    if isinstance(value, list | tuple):
        return sum(map(logical_bytes, value))
    return next((size for type_, size in _SIZES if isinstance(value, type_)), len(str(value)))


def _staleness(settings: Settings, table: SelectedTable) -> float:
    if table.table.events:
        return settings.bigquery_live_staleness_minutes
    return settings.bigquery_staleness_minutes


async def _measured(
    warehouse: QueryableWarehouse, name: str, state: TableState, *, minutes: float, clock: Clock, given: Given
) -> Measured:
    bytes_ = await _bytes(warehouse, name, state)
    changes = webhooks = 0.0
    if given.changes_per_day is None or given.webhooks_per_day is None:
        changes, webhooks = await _changes(warehouse, name, clock)
    return Measured(TableUse(name, state.rows, bytes_, minutes, changes), webhooks)


async def _bytes(warehouse: QueryableWarehouse, name: str, state: TableState) -> float:
    billed = await warehouse.reading_bytes(name, list(state.columns))
    if billed is not None or not state.rows:
        return float(billed or 0)
    statement = f"SELECT * FROM {warehouse.quote(name)} LIMIT {_SAMPLE}"  # noqa: S608 -- a table of the catalog
    rows = (await warehouse.query(statement, max_rows=_SAMPLE)).rows
    return sum(logical_bytes(value) for row in rows for value in row) / max(1, len(rows)) * state.rows


async def _changes(warehouse: QueryableWarehouse, name: str, clock: Clock) -> tuple[float, float]:
    """Rows per day that were written, and that webhooks brought; a row that changed twice counts once."""
    now = datetime.fromtimestamp(clock.now_us() / MICROSECONDS, UTC)
    since = (now - timedelta(days=_DAYS)).isoformat(sep=" ", timespec="seconds")
    webhook = f"CASE WHEN {OwnColumn.SOURCE} = '{Source.WEBHOOK}' THEN 1 ELSE 0 END"
    statement = (
        f"SELECT COUNT(*), SUM({webhook}) FROM {warehouse.quote(name)} "  # noqa: S608 -- names of ours
        f"WHERE {OwnColumn.SYNCED_AT} >= '{since}'"
    )
    [(changes, webhooks)] = (await warehouse.query(statement)).rows
    return float(changes) / _DAYS, float(webhooks or 0) / _DAYS
