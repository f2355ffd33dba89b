"""Writes the numbers of docs/costs.md from `shared.google.costs`; `--check` says whether they are true."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from scripts.costs_example import FIFTY, REGION, knobs
from services.cli.render.costs import basis, staleness_costs, total
from shared.google.costs import TableUse, Usage, estimate
from shared.google.prices import NOTED, REGIONS, sources

PAGE: Final = Path(__file__).parents[1] / "docs" / "costs.md"

_MB: Final = 1e6
EXAMPLE: Final = Usage(
    # An agency of eighty people after five years.
    tables=(
        TableUse("time_entries", 900_000, 900_000 * 700, 0, 2_500),
        TableUse("activities", 4_000_000, 4_000_000 * 900, 0, 9_000),
        TableUse("tasks", 250_000, 250_000 * 1_400, 0, 1_500),
        TableUse("comments", 600_000, 600_000 * 800, 0, 1_200),
        TableUse("bookings", 80_000, 80_000 * 600, 0, 400),
        TableUse("deals", 6_000, 6_000 * 3_500, 0, 250),
        TableUse("line_items", 40_000, 40_000 * 900, 30, 300),
        *(TableUse(f"other_{number}", 3_000, 3_000 * 500, 30, 20) for number in range(1, 51)),
    ),
    webhooks_per_day=15_000,
    queries_per_day=400,
)
LATER: Final = 30
"""Minutes of staleness in the second example."""


def _example() -> str:
    return _lines(EXAMPLE)


def _later() -> str:
    tables = [
        replace(table, staleness_minutes=max(LATER, table.staleness_minutes)) for table in EXAMPLE.tables
    ]
    return _lines(replace(EXAMPLE, tables=tables))


def _fifty() -> str:
    return _lines(FIFTY, REGION)


def _knobs() -> str:
    rows = ["| With | Then | USD a month | Change |", "| --- | --- | ---: | ---: |"]
    base = total(estimate(FIFTY, REGIONS[REGION]))
    for knob in knobs():
        dollars = total(estimate(knob.usage, REGIONS[REGION]))
        change = f"{dollars - base:+,.2f}" if knob.usage != FIFTY else ""
        rows.append(f"| {knob.setting} | {knob.meaning} | {dollars:,.2f} | {change} |")
    return "\n".join(rows)


def _lines(usage: Usage, region: str = "us") -> str:
    lines = estimate(usage, REGIONS[region])
    rows = [f"| {line.service} | {line.dollars:,.2f} | {line.formula} |" for line in lines]
    return "\n".join(
        [
            basis(usage),
            "",
            "| Service | USD a month | Formula |",
            "| --- | ---: | --- |",
            *rows,
            f"| **Together** | **{total(lines):,.2f}** | |",
        ]
    )


def _staleness() -> str:
    rows = [f"| {minutes} | {dollars:,.2f} |" for minutes, dollars in staleness_costs(EXAMPLE, REGIONS["us"])]
    return "\n".join(["| Minutes | Merges and queries, USD a month |", "| ---: | ---: |", *rows])


def _prices() -> str:
    rows = [f"| `{name}` | {value:g} | {source} |" for name, value, source in sources()]
    head = [
        f"Noted {NOTED}, compared with no bill.",
        "",
        "| Price | USD or amount | From |",
        "| --- | ---: | --- |",
    ]
    return "\n".join([*head, *rows])


PARTS: Final[Mapping[str, Callable[[], str]]] = {
    "fifty": _fifty,
    "knobs": _knobs,
    "example": _example,
    "later": _later,
    "staleness": _staleness,
    "prices": _prices,
}


def written(page: str) -> str:
    """The page with every part between its marks written anew."""
    for name, part in PARTS.items():
        begin, end = f"<!-- {name}: scripts/costs_page.py writes this -->", f"<!-- end of {name} -->"
        before, _, rest = page.partition(begin)
        _, _, after = rest.partition(end)
        page = f"{before}{begin}\n\n{part()}\n\n{end}{after}"
    return page


def main() -> int:
    """Write, or check."""
    now = PAGE.read_text(encoding="utf-8")
    new = written(now)
    if "--check" in sys.argv[1:]:
        if new != now:
            print("docs/costs.md is not up to date; run scripts/costs_page.py")
        return int(new != now)
    PAGE.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
