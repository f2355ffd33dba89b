"""A month's costs for people and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from services.cli.output import Output
from services.cli.render.wrapping import say_indented
from shared.google.costs import GIB, Line, Usage, estimate, reading, with_staleness
from shared.google.prices import NOTED, Prices
from shared.room import counted

STALENESS: Final = (0, 15, 30, 60, 240, 720)


def print_costs(output: Output, usage: Usage, prices: Prices, region: str) -> None:
    """Every service with its formula and what changes it; what the staleness decides; the sum."""
    lines = estimate(usage, prices)
    for line in lines:
        output.say(f"{line.service}: ${line.dollars:,.2f} a month", style="bold")
        say_indented(output, f"= {line.formula}", first=4, rest=6)
        for name, dollars in line.details:
            if dollars >= 0.01:
                output.say(f"      {name}: ${dollars:,.2f} before what is free")
        say_indented(output, line.knob, first=4, rest=4, style="dim")
    output.say()
    output.table(
        ("every table late by up to (minutes)", "merges and queries, USD a month"),
        [(minutes, f"{dollars:,.2f}") for minutes, dollars in staleness_costs(usage, prices)],
    )
    output.say()
    say_indented(output, basis(usage), first=0, rest=0, style="dim")
    output.say(
        f"${total(lines):,.2f} a month at list prices of {NOTED} for {region}; compared with no bill yet.",
        style="bold",
    )


def basis(usage: Usage) -> str:
    """What was reckoned with, in one sentence."""
    stored = sum(table.bytes for table in usage.tables) / GIB
    changes = sum(table.changes_per_day for table in usage.tables)
    return (
        f"Reckoned with {counted(len(usage.tables), 'table')} of {stored:,.2f} GiB, {changes:,.0f} rows "
        f"written, {usage.webhooks_per_day:,.0f} webhooks and {usage.queries_per_day:,.0f} queries a day."
    )


def staleness_costs(usage: Usage, prices: Prices) -> Iterator[tuple[int, float]]:
    """What merges and queries would cost if every table might be as late as that."""
    for minutes in STALENESS:
        yield minutes, reading(with_staleness(usage, minutes), prices).dollars


def total(lines: Sequence[Line]) -> float:
    """Dollars of all lines."""
    return sum(line.dollars for line in lines)


def plain_costs(usage: Usage, prices: Prices, region: str) -> dict[str, Any]:
    """The same as JSON; dollars to the cent."""
    lines = estimate(usage, prices)
    return {
        "region": region,
        "prices_noted": NOTED,
        "verified": False,
        "usd_per_month": round(total(lines), 2),
        "services": [
            {
                "service": line.service,
                "usd_per_month": round(line.dollars, 2),
                "formula": line.formula,
                "knob": line.knob,
                "tables": {name: round(dollars, 2) for name, dollars in line.details},
            }
            for line in lines
        ],
        "by_staleness_minutes": {
            str(minutes): round(dollars, 2) for minutes, dollars in staleness_costs(usage, prices)
        },
        "usage": usage,
        "prices": prices,
    }
