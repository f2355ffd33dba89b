"""`productive-ingest doctor`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from services.cli.doctor.doctor import ALL_SERVICES, examine_all
from services.cli.doctor.usage import Given, measure
from services.cli.options import Invocation, common_options, run_async
from services.cli.render.costs import plain_costs, print_costs
from services.cli.render.doctor import is_well, plain_sections, print_sections
from shared.clock import SystemClock
from shared.errors import ConfigError, ExitCode
from shared.google.prices import REGIONS, Prices, priced, without_free_amounts
from shared.google.rights import ServiceRole


@click.command(epilog="Example: productive-ingest doctor --service writer")
@click.option(
    "--service",
    "services",
    type=click.Choice([str(role) for role in ServiceRole]),
    multiple=True,
    help="Look only for the rights that this service's account needs.  [default: all of them]",
)
@click.option(
    "--costs",
    is_flag=True,
    help="Instead, reckon what a month on Google Cloud costs with this organization's numbers.",
)
@click.option(
    "--changes-per-day",
    type=click.FloatRange(0),
    help="With --costs: rows written a day.  [default: measured over the last 7 days]",
)
@click.option(
    "--webhooks-per-day",
    type=click.FloatRange(0),
    help="With --costs: deliveries a day.  [default: measured over the last 7 days]",
)
@click.option(
    "--queries-per-day",
    type=click.FloatRange(0),
    default=50.0,
    show_default=True,
    help="With --costs: what people and dashboards ask.",
)
@click.option(
    "--region",
    type=click.Choice(list(REGIONS)),
    default="us",
    show_default=True,
    help="With --costs: whose prices.",
)
@click.option(
    "--price",
    "prices",
    multiple=True,
    metavar="NAME=USD",
    help="With --costs: another price, such as query_tib=8.13; docs/costs.md lists them. May be repeated.",
)
@click.option(
    "--no-free-amounts",
    is_flag=True,
    help="With --costs: as if other projects used up what is free each month.",
)
@common_options
@run_async
async def doctor(
    invocation: Invocation,
    *,
    services: Sequence[str],
    costs: bool,
    changes_per_day: float | None,
    webhooks_per_day: float | None,
    queries_per_day: float,
    region: str,
    prices: Sequence[str],
    no_free_amounts: bool,
) -> int:
    """Look at everything that must be true, and say what is not, with the command that mends it.

    Changes nothing, and asks nothing of Productive. Ends with exit code 1 when there is a problem.
    """
    settings, output, clock = invocation.settings, invocation.output, SystemClock()
    if costs:
        chosen = _prices(region, prices, free=not no_free_amounts)
        given = Given(changes_per_day, webhooks_per_day, queries_per_day)
        usage = await measure(settings, output, clock, given)
        print_costs(output, usage, chosen, region)
        output.result(plain_costs(usage, chosen, region))
        return ExitCode.OK
    wanted = frozenset(ServiceRole(name) for name in services) or ALL_SERVICES
    sections = await examine_all(settings, clock, services=wanted)
    print_sections(output, sections)
    output.result(plain_sections(sections))
    return ExitCode.OK if is_well(sections) else ExitCode.INCOMPLETE


def _prices(region: str, changed: Sequence[str], *, free: bool) -> Prices:
    prices = REGIONS[region] if free else without_free_amounts(REGIONS[region])
    changes = {}
    for text in changed:
        name, _, value = text.partition("=")
        try:
            changes[name] = float(value)
        except ValueError:
            raise ConfigError(
                f"not a price: {text[:60]!r}", advice="Write it like `--price query_tib=8.13`."
            ) from None
    return priced(prices, changes)
