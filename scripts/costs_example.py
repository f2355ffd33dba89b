"""The worked example of docs/costs.md: an agency of fifty people, as Terraform's module sets it up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final, NamedTuple

from shared.catalog import load_catalog
from shared.config.settings import settle
from shared.google.costs import TableUse, Usage

REGION: Final = "eu"
"""Of europe-west1, the default of the module's `region`."""

_DEFAULTS: Final = settle({})
_FED: Final = frozenset(table.name for table in load_catalog().values() if table.events)


def _table(name: str, rows: float, row_bytes: float, changes_per_day: float) -> TableUse:
    live, later = _DEFAULTS.bigquery_live_staleness_minutes, _DEFAULTS.bigquery_staleness_minutes
    return TableUse(name, rows, rows * row_bytes, live if name in _FED else later, changes_per_day)


_CHOSEN: Final = (
    # After five years: six time entries a day each, a task for every three of them.
    _table("time_entries", 330_000, 700, 1_300),
    _table("activities", 1_800_000, 900, 4_500),
    _table("tasks", 110_000, 1_400, 800),
    _table("comments", 280_000, 800, 600),
    _table("bookings", 40_000, 600, 250),
    _table("deals", 4_000, 3_500, 150),
    _table("line_items", 25_000, 900, 200),
    _table("invoices", 6_000, 2_500, 40),
    _table("companies", 1_500, 1_500, 15),
    _table("people", 4_000, 1_500, 30),
    _table("projects", 2_500, 2_000, 60),
)
_OTHERS: Final = sorted(
    {table.name for table in load_catalog().values() if table.selected_by_default}
    - {table.name for table in _CHOSEN}
)

FIFTY: Final = Usage(
    tables=(*_CHOSEN, *(_table(name, 2_000, 500, 10) for name in _OTHERS)),
    webhooks_per_day=5_000,
    queries_per_day=250,
    crawls_per_day=24,
    # A crawl of what has changed takes two minutes, a look at the webhooks one; once a week everything.
    crawl_minutes_per_day=24 * 2 + 48 + 8,
    vcpus=2.0,
    gib=1.5,
)


class Knob(NamedTuple):
    """A setting changed, what that means, and what is done then."""

    setting: str
    meaning: str
    usage: Usage


def knobs() -> Iterator[Knob]:
    """Every knob alone, from what is set by default."""
    yield Knob("everything as it comes", "", FIFTY)
    yield Knob(
        '`schedules.changes = "*/15 * * * *"`',
        "what no webhook tells of is there within a quarter of an hour, not an hour",
        replace(FIFTY, crawls_per_day=96, crawl_minutes_per_day=96 * 2 + 48 + 8),
    )
    yield Knob(
        '`schedules.changes = "0 */6 * * *"`',
        "… within six hours; set `freshness_hours` to match",
        replace(FIFTY, crawls_per_day=4, crawl_minutes_per_day=4 * 2 + 48 + 8),
    )
    yield Knob(
        "`webhooks = false` in `organizations`",
        "no receiver: every change comes with the next crawl",
        replace(FIFTY, webhooks_per_day=0, vcpus=1.0, gib=1.0, crawl_minutes_per_day=24 * 2 + 8),
    )
    yield Knob(
        "`ingest.min_instances = 0`",
        "a receiver only while deliveries come (taken: 50 hours a week); what the last ones tell of is read "
        "when the next one comes",
        replace(FIFTY, vcpus=1 + 50 / 168, gib=1 + 0.5 * 50 / 168),
    )
    yield Knob(
        "`ingest.min_instances = 2`",
        "no delivery waits for an instance to start",
        replace(FIFTY, vcpus=3.0, gib=2.0),
    )
    yield Knob(
        "`bigquery.staleness_minutes = 240`",
        "tables without webhooks are up to four hours late in queries",
        _later(FIFTY, 240, live=False),
    )
    yield Knob(
        "`bigquery.live_staleness_minutes = 60`",
        "tables with webhooks are up to an hour late in queries",
        _later(FIFTY, 60, live=True),
    )
    yield Knob(
        '`tables.skip = ["activities"]`',
        "without the largest table, the log of who did what",
        replace(FIFTY, tables=[table for table in FIFTY.tables if table.name != "activities"]),
    )
    yield Knob("2,500 queries a day", "a dashboard that many look at", replace(FIFTY, queries_per_day=2_500))


def _later(usage: Usage, minutes: float, *, live: bool) -> Usage:
    """With the tables that webhooks feed, or all others, as late as that."""
    tables = [
        replace(table, staleness_minutes=minutes) if (table.name in _FED) is live else table
        for table in usage.tables
    ]
    return replace(usage, tables=tables)
