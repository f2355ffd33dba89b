"""Changes as they arrive in the warehouse: a table that moves on a terminal, a line per change elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from rich.live import Live
from rich.table import Table
from rich.text import Text

from services.cli.output import Output
from services.cli.watch import Awaited
from shared.clock import MICROSECONDS

_SHOWN = 12
Show = Callable[[Sequence[Awaited]], None]


@contextmanager
def show_changes(output: Output) -> Iterator[Show]:
    """Show changes while the body runs; call what it yields whenever they may have moved."""
    if output.as_json:
        yield lambda _: None
    elif output.console.is_terminal:
        with Live(console=output.console, auto_refresh=False, vertical_overflow="crop") as live:
            yield lambda changes: live.update(_table(changes), refresh=True)
    else:
        yield _Lines(output)


class _Lines:
    """A line for each change, in the order in which they are seen."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._told: set[int] = set()

    def __call__(self, changes: Sequence[Awaited]) -> None:
        for place, change in enumerate(changes):
            if change.seconds is not None and place not in self._told:
                self._told.add(place)
                self._output.say(f"{change.text}\t{change.table}\t{_arrival(change)}")


def _table(changes: Sequence[Awaited]) -> Table:
    table = Table("at", "in Productive", "table", "row", box=None, pad_edge=False, header_style="bold")
    for change in changes[-_SHOWN:]:
        seen = change.seconds is not None
        table.add_row(
            Text(_clock(change), style="dim"),
            Text(change.text, no_wrap=True, overflow="ellipsis"),
            change.table,
            Text(_arrival(change), style="green" if seen else "yellow"),
        )
    return table


def _arrival(change: Awaited) -> str:
    if change.seconds is None:
        return "on its way"
    return f"{'gone' if change.deleted else 'there'} after {change.seconds:.2f} s"


def _clock(change: Awaited) -> str:
    return datetime.fromtimestamp(change.at_us / MICROSECONDS, UTC).strftime("%H:%M:%S")
