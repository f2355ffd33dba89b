"""`productive-ingest verify`."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import click

from services.backfill.verify import Verdict, VerifyEnvironment
from services.backfill.verify import verify as verify_tables
from services.cli.options import Invocation, common_options, run_async
from services.cli.reading import open_for_reading
from services.cli.world import open_client, open_world
from shared.catalog import load_catalog
from shared.errors import ConfigError, ExitCode


@click.command(epilog="Example: productive-ingest verify --table invoices --sample 100")
@click.option("-t", "--table", "names", multiple=True, help="Only this table; may be repeated.")
@click.option(
    "--sample", type=click.IntRange(1, 200), default=20, show_default=True, help="Rows compared per page."
)
@click.option("--seed", type=int, default=None, help="Choose the same rows again.")
@common_options
@run_async
async def verify(invocation: Invocation, names: Sequence[str], sample: int, seed: int | None) -> int:
    """Compare the warehouse with Productive: counts, and sampled rows field by field.

    Ends with exit code 1 when anything differs, and says which ids.
    """
    settings, output = invocation.settings, invocation.output
    for name in names:
        load_catalog().table(name)
    async with (
        open_world(settings) as world,
        open_client(settings) as client,
        open_for_reading(settings, output) as warehouse,
    ):
        tables = world.tables
        if names:
            unselected = [name for name in names if load_catalog().table(name).name not in tables]
            if unselected:
                raise ConfigError(f"{unselected[0]!r} is not among the selected tables")
            tables = {name: tables[name] for name in names}
        verdicts = await verify_tables(
            VerifyEnvironment(
                client=client,
                warehouse=warehouse,
                checkpoints=world.checkpoints,
                tables=tables,
                rng=random.Random(seed),  # noqa: S311 -- picks pages, keeps no secret
                sample=sample,
            )
        )
    rows = [
        (v.table, v.in_productive, v.in_warehouse, v.sampled, "; ".join(_findings(v)) or "ok")
        for v in verdicts
    ]
    output.table(("table", "in Productive", "in the warehouse", "compared", "finding"), rows)
    wrong = [verdict for verdict in verdicts if not verdict.right]
    output.say()
    if wrong:
        output.say(f"{len(wrong)} of {len(verdicts)} tables differ from Productive.", style="bold red")
        output.say("`productive-ingest backfill` reads them again.")
    else:
        output.say(f"{len(verdicts)} tables are as Productive has them.", style="bold green")
    output.result({"right": not wrong, "tables": verdicts})
    return ExitCode.INCOMPLETE if wrong else ExitCode.OK


def _findings(verdict: Verdict) -> Iterator[str]:
    if verdict.unavailable:
        yield f"not available: {verdict.unavailable}"
    if verdict.failed:
        yield f"could not be compared: {verdict.failed}"
    if verdict.missing_count:
        yield f"{verdict.missing_count:,} missing: {_shown(verdict.missing, verdict.missing_count)}"
    if verdict.extra_count:
        yield f"{verdict.extra_count:,} not in Productive: {_shown(verdict.extra, verdict.extra_count)}"
    for row in verdict.different:
        when = "changed since it was read" if row.newer else "differs"
        yield f"{row.id} {when}: {', '.join(row.columns)}"


def _shown(ids: Sequence[str], count: int) -> str:
    return ", ".join(ids) + (", …" if count > len(ids) else "")
