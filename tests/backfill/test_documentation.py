"""docs/crawling.md tells of every table in the way in which it is read."""

from __future__ import annotations

import re
from pathlib import Path

from services.backfill.plan import Coverage, Plan, Schedule, Scope, plan_table
from shared.catalog import Table, load_catalog
from shared.productive import Learned

PAGE = Path(__file__).parents[2] / "docs" / "crawling.md"


def test_every_table_whose_changes_can_be_asked_for_is_listed_with_the_way() -> None:
    ways: dict[str, set[str]] = {"`updated_at`": set(), "`last_activity_at`": set(), "backwards": set()}
    for table in load_catalog().values():
        plan = _plan(table)
        if table.listable and not plan.full:
            ways[f"`{plan.filter}`" if plan.filter else "backwards"].add(table.name)
    lines = PAGE.read_text().splitlines()
    for way, names in ways.items():
        [line] = [line for line in lines if line.startswith("| `") and way in line.split("|")[2]]
        assert set(re.findall(r"`(\w+)`", line.split("|")[1])) == names


def _plan(table: Table) -> Plan:
    return plan_table(
        table,
        Scope(),
        Coverage(10**15, 10**15, "f"),
        Learned(),
        fingerprint="f",
        now_us=10**15,
        schedule=Schedule(),
    )
