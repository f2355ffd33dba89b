"""`productive-ingest demo`."""

from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path

import click

from services.cli.commands.backfill import crawl_and_write
from services.cli.commands.sandbox import LIMIT_SCALE
from services.cli.demonstration import LiveOutcome, show_live
from services.cli.options import Invocation, common_options, run_async
from services.cli.output import Output
from services.cli.reading import open_for_reading
from services.cli.render.summary import print_summary
from services.cli.world import open_client, open_world
from services.sandbox import Limits, Sandbox, SandboxSettings, WebhookSettings
from shared.config import TOKEN_VARIABLE, Settings, load_settings
from shared.errors import ExitCode
from shared.urls import path_of

DATA_DIR = Path("productive-demo")

PROFIT_PER_PROJECT = """\
select c.name as client,
       p.name as project,
       round(sum(t.time) / 60, 1) as hours,
       (sum(t.billable_time / 60 * s.price) / 100)::bigint as revenue,
       (sum(t.cost) / 100)::bigint as cost,
       (sum(t.billable_time / 60 * s.price - t.cost) / 100)::bigint as profit
from time_entries t
join services s on s.id = t.service_id
join deals d on d.id = s.deal_id
join projects p on p.id = d.project_id
join companies c on c.id = p.company_id
group by all
order by profit desc
limit 10"""


@click.command(epilog="Example: productive-ingest demo --people 20")
@click.option("--people", type=click.IntRange(2), default=50, show_default=True, help="The agency's size.")
@click.option(
    "--seconds",
    type=click.FloatRange(0, 3600),
    default=12.0,
    show_default=True,
    help="How long to watch the agency work; 0 ends after the crawl.",
)
@click.option(
    "--rate",
    type=click.FloatRange(0, 200, min_open=True),
    default=4.0,
    show_default=True,
    help="Changes per second meanwhile.",
)
@common_options
@run_async
async def demo(invocation: Invocation, people: int, seconds: float, rate: float) -> int:
    """Crawl a make-believe agency into a database, ask it a question, and watch changes arrive by webhook.

    Needs no account. It leaves everything in ./productive-demo (or --data-dir) for you to look at.
    """
    output = invocation.output
    webhooks = WebhookSettings(complete_share=0.3, duplicate_share=0.1, shuffle=0.1)
    sandbox_settings = SandboxSettings(
        people=people, limits=Limits(time_scale=LIMIT_SCALE), webhooks=webhooks
    )
    outcome: LiveOutcome | None = None
    async with Sandbox(sandbox_settings) as sandbox:
        settings = _settings(invocation, sandbox)
        output.say(f"A make-believe agency of {people} people answers at {sandbox.url}", style="bold")
        os.environ[TOKEN_VARIABLE] = sandbox.token
        async with open_client(settings) as client, open_world(settings) as world:
            summary, totals = await crawl_and_write(
                dataclasses.replace(invocation, settings=settings), world, client
            )
            print_summary(output, summary, totals.applied, settings.warehouse_url)
            profits = await _ask(output, settings)
            if seconds:
                output.say()
                output.say(f"Now its people work for {seconds:g} seconds:", style="bold")
                outcome = await show_live(output, world, client, sandbox, seconds=seconds, rate=rate)
                _tell(output, outcome)
    _what_next(output, settings)
    output.result({"crawl": summary, "profit_per_project": profits, "live": outcome})
    good = summary.complete and (outcome is None or not (outcome.not_seen or outcome.differing))
    return ExitCode.OK if good else ExitCode.INCOMPLETE


async def _ask(output: Output, settings: Settings) -> list[dict[str, str]]:
    async with open_for_reading(settings, output) as warehouse:
        answer = await warehouse.query(PROFIT_PER_PROJECT)
    output.say()
    output.say("Profit per project, from five of the tables:", style="bold")
    output.table(answer.columns, answer.rows)
    return [dict(zip(answer.columns, map(str, row), strict=True)) for row in answer.rows]


def _tell(output: Output, outcome: LiveOutcome) -> None:
    counts = outcome.deliveries
    output.say()
    output.say(
        f"{outcome.changes:,} changes: half of them were in the warehouse within "
        f"{outcome.median_seconds:.2f} s, all within {outcome.longest_seconds:.2f} s.",
        style="bold",
    )
    output.say(
        f"{counts['received']:,} deliveries, some of them twice and out of order. Published as they were: "
        f"{counts['published']:,}; read again: {counts['reread']:,}; deletions: {counts['deleted']:,}."
    )
    if outcome.not_seen:
        output.say(f"{outcome.not_seen:,} changes did not arrive.", style="bold red")
    if outcome.differing:
        output.say(f"Not as in the sandbox: {', '.join(outcome.differing)}.", style="bold red")
    else:
        output.say(
            f"The {outcome.compared} tables they belong to are as the sandbox has them.", style="green"
        )


def _settings(invocation: Invocation, sandbox: Sandbox) -> Settings:
    """The sandbox's address in place of whatever the person has configured."""
    chosen = invocation.settings.data_dir
    data_dir = DATA_DIR if chosen == load_settings(None, {}, {}).data_dir else chosen
    return load_settings(
        None,
        {},
        {
            "storage.data_dir": str(data_dir),
            "productive.api_url": sandbox.url,
            "productive.organization_id": sandbox.organization_id,
            "productive.limit_scale": LIMIT_SCALE,
        },
    )


def _what_next(output: Output, settings: Settings) -> None:
    database, command = _near(path_of(settings.warehouse_url)), _near(Path(sys.argv[0]))
    output.say()
    output.say("Try next:", style="bold")
    output.say(f"  duckdb {database}          (or any other client of DuckDB)")
    output.say(f"  {command} status --data-dir {_near(settings.data_dir)}")
    output.say(f"  {command} tables show time_entries")
    output.say("Your own organization:")
    output.say("  export PRODUCTIVE_API_TOKEN=...  PRODUCTIVE_ORGANIZATION_ID=...")
    output.say(f"  {command} check")
    output.say(f"  {command} backfill")


def _near(path: Path) -> Path:
    """The path as a person in this folder would type it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
