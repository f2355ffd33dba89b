"""`productive-ingest doctor`."""

from __future__ import annotations

import click

from services.cli.doctor.doctor import examine_all
from services.cli.options import Invocation, common_options, run_async
from services.cli.render.doctor import is_well, plain_sections, print_sections
from shared.clock import SystemClock
from shared.errors import ExitCode


@click.command(epilog="Example: productive-ingest doctor --json")
@common_options
@run_async
async def doctor(invocation: Invocation) -> int:
    """Look at everything that must be true, and say what is not, with the command that mends it.

    Changes nothing, and asks nothing of Productive. Ends with exit code 1 when there is a problem.
    """
    output = invocation.output
    sections = await examine_all(invocation.settings, SystemClock())
    print_sections(output, sections)
    output.result(plain_sections(sections))
    return ExitCode.OK if is_well(sections) else ExitCode.INCOMPLETE
