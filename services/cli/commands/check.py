"""`productive-ingest check`."""

from __future__ import annotations

import click

from services.backfill.check import check_access
from services.cli.doctor.doctor import cloud_problems
from services.cli.options import Invocation, common_options, run_async
from services.cli.render.doctor import print_finding
from services.cli.selection import look_at_selection
from services.cli.world import open_client
from shared.clock import SystemClock
from shared.errors import ExitCode
from shared.productive import PROMPT


@click.command(
    epilog="Example: PRODUCTIVE_API_TOKEN=... PRODUCTIVE_ORGANIZATION_ID=42 productive-ingest check"
)
@common_options
@run_async
async def check(invocation: Invocation) -> int:
    """Check the token, the connection, and which tables this token can read.

    Where stores are on Google Cloud, what is missing there is told first. Ends with exit code 1 when
    something is, or when no table can be read. Takes one request per table.
    """
    settings, output = invocation.settings, invocation.output
    missing = await cloud_problems(settings, SystemClock())
    for finding in missing:
        print_finding(output, finding)
    tables = (await look_at_selection(settings)).tables
    async with open_client(settings, PROMPT) as client:
        found = await check_access(client, tables)
    output.table(
        ("table", "readable", "records", "reason"),
        [(a.table, "yes" if a.readable else "no", a.records, a.reason) for a in found],
    )
    readable = [access for access in found if access.readable]
    records = sum(access.records or 0 for access in readable)
    output.say()
    output.say(
        f"{settings.api_url} answers; organization {settings.organization_id}: "
        f"{len(readable)} of {len(found)} tables can be read, {records:,} records.",
        style="bold",
    )
    output.result({"tables": found, "readable": len(readable), "records": records, "missing": list(missing)})
    return ExitCode.OK if readable and not missing else ExitCode.INCOMPLETE
