"""The command `productive-ingest`: what it is called with, and how it ends."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Sequence

import click

from services.cli.commands import COMMANDS
from services.cli.output import print_error, print_usage_error
from shared.errors import ExitCode, IngestError

log = logging.getLogger(__name__)


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with `productive-ingest demo`: it needs no account. "
    "Exit codes are explained in docs/exit-codes.md.",
)
@click.version_option(package_name="productive-ingest")
def cli() -> None:
    """Every record an agency has in Productive, in a warehouse: live, never duplicated, joinable."""


for command in COMMANDS:
    cli.add_command(command)


def main() -> None:
    """The console script's entry."""
    _open_standard_streams()
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command; returns its exit code. A user's mistake is one or two lines, never a traceback."""
    try:
        result = cli.main(args=list(arguments), prog_name="productive-ingest", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return ExitCode.CONFIG
    except click.ClickException as error:
        print_usage_error(error)
        return ExitCode.CONFIG
    except (click.Abort, KeyboardInterrupt, asyncio.CancelledError):
        print_error("stopped; what was read so far is kept, and the same command goes on from there")
        return ExitCode.INTERRUPTED
    except IngestError as error:
        print_error(error.message, error.advice)
        return error.exit_code
    except OSError as error:
        # What is left after the stores have dealt with their own: a result that cannot be printed, mostly.
        print_error(f"the operating system refused: {error.strerror or error}")
        return ExitCode.STORAGE
    return result if isinstance(result, int) else ExitCode.OK


def _open_standard_streams() -> None:
    """Send nowhere what goes to a stream that we were started without.

    Else the next file that is opened, a database say, would get the number of the missing stream.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # always gets the lowest number that is free, which is this
    sys.stdout = sys.stdout or os.fdopen(1, "w")
    sys.stderr = sys.stderr or os.fdopen(2, "w")
