"""What a measure found, and how it is printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Options:
    """How to measure: `full` the long way, with the stores under `folder`."""

    full: bool
    folder: Path


@dataclass(frozen=True)
class Figure:
    """One line of the report; without a goal it is for information.

    `unit` is `ratio`, or what `value` counts. `detail` holds what the value was made from.
    """

    measure: str
    what: str
    value: float
    unit: str
    at_most: float | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """Whether the goal was reached; empty without one."""
        if self.at_most is None:
            return ""
        return "reached" if self.value <= self.at_most else "missed"

    @property
    def text(self) -> str:
        """The value as people read it."""
        if self.unit == "ratio":
            return f"{self.value:.3f}"
        digits = 1 if abs(self.value) < 100 and self.value != int(self.value) else 0
        return f"{self.value:,.{digits}f} {self.unit}"

    @property
    def goal(self) -> str:
        """The goal as people read it."""
        if self.at_most is None:
            return ""
        return f"≤ {self.at_most:g}" + ("" if self.unit == "ratio" else f" {self.unit}")


def print_figures(console: Console, figures: Sequence[Figure]) -> None:
    """One table, a line for each figure, with what it was made from below it."""
    table = Table("measure", "what", "figure", "goal", "verdict", box=None, pad_edge=False)
    for figure in figures:
        colour = {"reached": "green", "missed": "bold red"}.get(figure.verdict, "")
        made_from = ", ".join(f"{name} {_short(value)}" for name, value in figure.detail.items())
        table.add_row(
            figure.measure,
            f"{figure.what}\n[dim]{made_from}[/dim]" if made_from else figure.what,
            figure.text,
            figure.goal,
            f"[{colour}]{figure.verdict}[/{colour}]" if colour else "",
        )
    console.print(table)


def write_figures(path: Path, machine: Mapping[str, Any], figures: Sequence[Figure]) -> None:
    """The same as JSON, and on which machine it was found."""
    document = {
        "machine": machine,
        "figures": [{**asdict(figure), "verdict": figure.verdict} for figure in figures],
    }
    path.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.3f}" if abs(value) < 10 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
