"""Changes are found whatever time it is, in whatever zone, where times in filters are cut down to days."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.backfill.crawl import crawl
from services.backfill.plan import Mode, Scope
from services.backfill.progress import Silent
from services.sandbox import SandboxSettings
from services.sandbox.query import compare
from shared.clock import MICROSECONDS, SystemClock
from tests.backfill.agency import agency

ZONES = (-12, -3.5, 14)
DAY = 86_400 * MICROSECONDS


class Elsewhen(SystemClock):
    """The machine's clock, put forward to another time of day."""

    def __init__(self, hour: float) -> None:
        self._ahead = (round(hour * 3600 * MICROSECONDS) - super().now_us()) % DAY

    def now_us(self) -> int:
        """See `Clock.now_us`."""
        return super().now_us() + self._ahead


def days_of(hours: float) -> Callable[..., Any]:
    """A server that takes a time's day from its text, and a record's day in a zone of so many hours."""

    def moments(field: str, values: list[str], *, cast: bool) -> Any:
        assert cast

        def read(row: Any) -> str:
            moment = datetime.fromtimestamp(row.changed_us / MICROSECONDS, UTC) + timedelta(hours=hours)
            return moment.date().isoformat()

        return read, [date.fromisoformat(value[:10]).isoformat() for value in values]

    return moments


@pytest.mark.parametrize("hour", [0.1, 23.9])
async def test_no_change_is_missed_in_any_zone_at_any_time_of_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hour: float
) -> None:
    settings = SandboxSettings(
        people=2, bulk={"tasks": 250}, today=datetime.now(UTC).date() - timedelta(days=2)
    )
    tables = ["tasks", "services"]
    async with agency(tmp_path, monkeypatch, settings, clock=Elsewhen(hour), tables__only=tables) as opened:
        opened.sandbox.faults.ignores_feature_flags = True
        await opened.crawl()
        organization = opened.sandbox.organization
        for zone in ZONES:
            monkeypatch.setattr(compare, "_moments", days_of(zone))
            for name in tables:
                organization.put(name, organization.ids(name)[0], attributes={"name": f"at {zone}"})
            outcome = await opened.crawl()
            assert not any(table.plan.full for table in outcome.tables)
            assert await opened.differences() == []
            # A far past is read in windows that end on days.
            since = Scope(Mode.SINCE, opened.sandbox.organization.now_us() - 40 * DAY)
            in_windows = await crawl(opened.world.backfill(opened.client, Silent()), scope=since)
            assert all(table.records for table in in_windows.tables)
            assert {table.table for table in in_windows.tables if table.plan.borders} == {"tasks"}
