"""How the command line prints: for people on a terminal, plain lines into a pipe, JSON where asked for."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Sequence
from typing import IO, Any

import click
import msgspec
from rich.console import Console as RichConsole
from rich.table import Table
from rich.text import Text

from shared.telemetry.logging import configure, is_structured

log = logging.getLogger(__name__)

_LEVELS = {"yellow": logging.WARNING, "red": logging.ERROR}
"""How urgent a remark of that color is."""


class Console(RichConsole):
    """A console that falls silent when its reader has gone away; the work goes on."""

    def on_broken_pipe(self) -> None:
        """Called by rich, which otherwise ends the process in the middle of what it does."""
        self.quiet = True
        _silence(self.file)


class Output:
    """One command's standard output. `as_json` silences everything for people; the result is one JSON object.

    `as_log`: remarks are log lines, for there is nobody at a terminal.
    """

    def __init__(self, *, as_json: bool, as_log: bool = False) -> None:
        self.as_json = as_json
        self.as_log = as_log
        # Progress and remarks go to standard error, so that standard output can be piped.
        self.console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
        self.notes = Console(stderr=True, highlight=False, quiet=as_json, soft_wrap=not sys.stderr.isatty())

    @property
    def interactive(self) -> bool:
        """Whether a person looks at a terminal."""
        return self.notes.is_terminal and not self.as_json and not self.as_log

    def say(self, text: str = "", style: str = "") -> None:
        """A line for people on standard output; nothing with `--json`."""
        if not self.as_json:
            self.console.print(Text(text, style=style))

    def note(self, text: str, style: str = "") -> None:
        """A remark for people on standard error; nothing with `--json`. Or a line of the log."""
        if self.as_log:
            level = next((level for color, level in _LEVELS.items() if color in style), logging.INFO)
            log.log(level, "%s", text)
            return
        self.notes.print(Text(text, style=style))

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, title: str = "") -> None:
        """Rows for people, numbers to the right; tab-separated lines when nobody sits at a terminal."""
        if self.as_json:
            return
        if not self.console.is_terminal:
            for row in (columns, *rows):
                _echo("\t".join(_plain(cell) for cell in row))
            return
        table = Table(
            title=title or None, title_justify="left", header_style="bold", box=None, pad_edge=False
        )
        for index, column in enumerate(columns):
            numeric = bool(rows) and all(isinstance(row[index], int | float | None) for row in rows)
            table.add_column(column, justify="right" if numeric else "left", overflow="fold")
        for row in rows:
            table.add_row(*(Text(_pretty(cell)) for cell in row))
        self.console.print(table)

    def result(self, value: Any) -> None:
        """The command's result as JSON, only with `--json`."""
        if self.as_json:
            _echo(json.dumps(msgspec.to_builtins(value), indent=2, ensure_ascii=False))


def print_error(message: str, advice: str = "") -> None:
    """An error for a person, as JSON for the program that asked for JSON, or as a line of the log."""
    if is_structured(os.environ):
        configure(os.environ)
        log.error("%s. %s", message, advice) if advice else log.error("%s", message)
        return
    if "--json" in sys.argv:
        click.echo(json.dumps({"error": {"message": message, "advice": advice}}), err=True)
        return
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(Text.assemble(("error: ", "bold red"), message))
    if advice:
        console.print(Text(f"  {advice}"))


def print_usage_error(error: click.ClickException) -> None:
    """A command that was called in a wrong way: its usage and what was wrong, or a line of the log."""
    if is_structured(os.environ):
        print_error(error.format_message())
    else:
        error.show()


def _echo(text: str) -> None:
    try:
        click.echo(text)
    except BrokenPipeError:
        _silence(sys.stdout)


def _silence(stream: IO[str]) -> None:
    """Let what is still written to a closed pipe go nowhere, so that not even the last flush fails."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _pretty(cell: Any) -> str:
    return f"{cell:,}" if isinstance(cell, int) and not isinstance(cell, bool) else _plain(cell)


def _plain(cell: Any) -> str:
    return "" if cell is None else str(cell)
