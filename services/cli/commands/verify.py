"""`productive-ingest verify`."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from services.backfill.brake import Brake
from services.backfill.repair import Repair, RepairEnvironment, repair
from services.backfill.verify import Findings, Verdict, VerifyEnvironment, examine
from services.cli.options import Invocation, common_options, run_async
from services.cli.output import Output
from services.cli.pipeline import write_while
from services.cli.reading import open_for_reading
from services.cli.world import World, open_client, open_world, organization_id
from services.writer.environment import WriterTotals
from shared.catalog import load_catalog
from shared.catalog.selection import SelectedTable
from shared.clock import MICROSECONDS
from shared.errors import ConfigError, ExitCode
from shared.productive import ProductiveClient


class _Sample(click.ParamType[int | None]):
    """How many rows of a page, or `all` of the table, which is None."""

    name = "rows"
    _most = 200

    def convert(
        self, value: Any, parameter: click.Parameter | None, context: click.Context | None
    ) -> int | None:
        if str(value).lower() == "all":
            return None
        text = str(value)
        if not text.isdecimal() or not 1 <= int(text) <= self._most:
            self.fail(f"{text!r} is neither a number from 1 to {self._most} nor `all`", parameter, context)
        return int(text)


@click.command(epilog="Example: productive-ingest verify --table invoices --sample all --repair")
@click.option("-t", "--table", "names", multiple=True, help="Only this table; may be repeated.")
@click.option(
    "--sample",
    type=_Sample(),
    metavar="ROWS",
    default="20",
    show_default=True,
    help="Rows compared of each of two pages, 1 to 200, or `all` rows there are.",
)
@click.option("--seed", type=int, default=None, help="Choose the same rows again.")
@click.option("--repair", "repairing", is_flag=True, help="Read again what differs, and delete what is gone.")
@common_options
@run_async
async def verify(
    invocation: Invocation, names: Sequence[str], sample: int | None, seed: int | None, repairing: bool
) -> int:
    """Compare the warehouse with Productive: counts, and sampled rows field by field.

    Ends with exit code 1 when anything differs, and says which ids. With --repair these are read again by
    their ids, written, and compared once more: then exit code 1 is what was left.
    """
    settings, output = invocation.settings, invocation.output
    for name in names:
        load_catalog().table(name)
    # The comparison after a repair looks at the same rows.
    seed = random.randrange(1 << 32) if seed is None else seed  # noqa: S311 -- picks pages, keeps no secret
    async with open_world(settings) as world, open_client(settings) as client:
        tables = _chosen(world, names)

        async def compared() -> list[Findings]:
            async with open_for_reading(settings, output) as warehouse:
                return await examine(
                    VerifyEnvironment(
                        client=client,
                        warehouse=warehouse,
                        checkpoints=world.checkpoints,
                        tables=tables,
                        rng=random.Random(seed),  # noqa: S311 -- as above
                        sample=sample,
                        keep_out=world.keep_out,
                    )
                )

        findings = await compared()
        repairs: Sequence[Repair] = ()
        if repairing and any(not one.verdict.right for one in findings):
            _print(output, [one.verdict for one in findings])
            repairs = await _repaired(world, client, tables, findings)
            _print_repairs(output, repairs)
            if world.local_bus:
                findings = await compared()
    verdicts = [one.verdict for one in findings]
    _print(output, verdicts)
    wrong = [verdict for verdict in verdicts if not verdict.right]
    output.say()
    if wrong:
        output.say(f"{len(wrong)} of {len(verdicts)} tables differ from Productive.", style="bold red")
        again = "`productive-ingest backfill --full` reads them again."
        output.say(again if repairing else "`productive-ingest verify --repair` mends them.")
    else:
        output.say(f"{len(verdicts)} tables are as Productive has them.", style="bold green")
    output.result({"right": not wrong, "tables": verdicts, "repairs": repairs})
    return ExitCode.INCOMPLETE if wrong else ExitCode.OK


def _chosen(world: World, names: Sequence[str]) -> Mapping[str, SelectedTable]:
    """All selected tables, or those of them that are named."""
    unselected = [name for name in names if name not in world.tables]
    if unselected:
        raise ConfigError(f"{unselected[0]!r} is not among the selected tables")
    return {name: world.tables[name] for name in names} if names else world.tables


async def _repaired(
    world: World,
    client: ProductiveClient,
    tables: Mapping[str, SelectedTable],
    findings: Sequence[Findings],
) -> Sequence[Repair]:
    """What was found is published as it is now, and written where the bus is of this machine."""
    await world.refuse_other_organizations()
    moment = datetime.fromtimestamp(world.clock.now_us() / MICROSECONDS, UTC)
    env = RepairEnvironment(
        client=client,
        bus=world.bus,
        codec=world.codec,
        organization_id=organization_id(world.settings),
        run_id=f"repair-{moment:%Y%m%dT%H%M%SZ}",
        tables=tables,
        brake=Brake(world.settings.deletions_share, world.settings.deletions_rows),
        reads=world.settings.deletions_reads,
    )

    async def work() -> list[Repair]:
        return await repair(env, findings)

    return await (write_while(world, WriterTotals(), work) if world.local_bus else work())


def _print(output: Output, verdicts: Sequence[Verdict]) -> None:
    rows = [
        (v.table, v.in_productive, v.in_warehouse, v.sampled, "; ".join(_findings(v)) or "ok")
        for v in verdicts
    ]
    output.table(("table", "in Productive", "in the warehouse", "compared", "finding"), rows)


def _print_repairs(output: Output, repairs: Sequence[Repair]) -> None:
    rows = [(one.table, one.reread, one.deleted, one.left, one.problem) for one in repairs]
    output.say()
    output.table(("repaired", "read again", "deleted", "left", "why"), rows)
    output.say()


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
    if verdict.different_count > len(verdict.different):
        yield f"{verdict.different_count:,} rows differ"
    if verdict.unlisted_count:
        yield f"{verdict.unlisted_count:,} that its list does not show"
    if verdict.late_seconds and not verdict.right:
        yield f"what was written in the last {verdict.late_seconds / 60:.0f} minutes may not show yet"


def _shown(ids: Sequence[str], count: int) -> str:
    return ", ".join(ids) + (", …" if count > len(ids) else "")
