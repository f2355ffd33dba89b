"""`productive-ingest doctor`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from services.cli.doctor.doctor import ALL_SERVICES, examine_all
from services.cli.options import Invocation, common_options, run_async
from services.cli.render.doctor import is_well, plain_sections, print_sections
from shared.clock import SystemClock
from shared.errors import ExitCode
from shared.google.rights import ServiceRole


@click.command(epilog="Example: productive-ingest doctor --json")
@click.option(
    "--service",
    "services",
    type=click.Choice([str(role) for role in ServiceRole]),
    multiple=True,
    help="Look only for the rights that this service's account needs.  [default: all of them]",
)
@common_options
@run_async
async def doctor(invocation: Invocation, services: Sequence[str]) -> int:
    """Look at everything that must be true, and say what is not, with the command that mends it.

    Changes nothing, and asks nothing of Productive. Ends with exit code 1 when there is a problem.
    """
    output = invocation.output
    wanted = frozenset(ServiceRole(name) for name in services) or ALL_SERVICES
    sections = await examine_all(invocation.settings, SystemClock(), services=wanted)
    print_sections(output, sections)
    output.result(plain_sections(sections))
    return ExitCode.OK if is_well(sections) else ExitCode.INCOMPLETE
