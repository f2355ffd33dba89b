"""Long lines on a terminal: broken with an indent for people, never broken where they are to be copied."""

from __future__ import annotations

import textwrap
from typing import Final

from rich.text import Text

from services.cli.output import Output

_NARROWEST: Final = 40


def say_indented(output: Output, text: str, *, first: int, rest: int, style: str = "") -> None:
    """A text whose first line has an indent of `first` and the others, if any, one of `rest`.

    In a pipe it stays one line.
    """
    if output.as_json:
        return
    if output.console.is_terminal:
        text = textwrap.fill(
            text,
            max(_NARROWEST, output.console.width - 1),
            initial_indent=" " * first,
            subsequent_indent=" " * rest,
            break_long_words=False,
            break_on_hyphens=False,
        )
    else:
        text = " " * first + text
    output.say(text, style=style)


def say_command(output: Output, command: str, *, indent: int) -> None:
    """A command that can be copied as it is: only the terminal itself breaks it."""
    if not output.as_json:
        output.console.print(Text(" " * indent + command), soft_wrap=True)
