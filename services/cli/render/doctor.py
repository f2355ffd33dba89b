"""Findings for people and as JSON: what is well first, so that what is not stands last, above the prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from services.cli.doctor.sections import Section
from services.cli.output import Output
from services.cli.render.wrapping import say_command, say_indented
from shared.google.findings import Finding

_MARKS: Final = {"good": "✓", "warning": "!", "problem": "✗", "unknown": "?"}
_STYLES: Final = {"good": "green", "warning": "yellow", "problem": "bold red", "unknown": "cyan"}


def print_sections(output: Output, sections: Sequence[Section]) -> None:
    """Every finding under its section, each with its command on a line of its own."""
    for section in sections:
        output.say(section.title, style="bold")
        for finding in section.findings:
            print_finding(output, finding)
        output.say()
    output.say(conclusion(sections), style="bold green" if is_well(sections) else "bold red")


def print_finding(output: Output, finding: Finding) -> None:
    """One finding, and its command below so that it can be copied."""
    text = f"{_MARKS[finding.state]} {finding.subject}: {finding.text}"
    say_indented(output, text, first=2, rest=4, style=_STYLES[finding.state])
    if finding.fix:
        say_command(output, finding.fix, indent=6)


def is_well(sections: Sequence[Section]) -> bool:
    """Whether there is no problem; a warning is none."""
    return not any(section.of("problem") for section in sections)


def conclusion(sections: Sequence[Section]) -> str:
    """All of it in one line."""
    counts = {state: sum(len(section.of(state)) for section in sections) for state in _MARKS}
    parts = [
        _count(counts["problem"], "problem"),
        _count(counts["warning"], "warning"),
        f"{counts['unknown']} not known" if counts["unknown"] else "",
    ]
    told = ", ".join(part for part in parts if part)
    if counts["problem"]:
        return f"{told}. Mend the problems with the commands above, and run this again."
    if counts["unknown"]:
        return f"No problem was found: {told}."
    return f"All is well: {told}." if told else f"All is well: {counts['good']} things were looked at."


def plain_sections(sections: Sequence[Section]) -> dict[str, Any]:
    """The same as JSON."""
    return {
        "good": is_well(sections),
        "sections": [{"title": section.title, "findings": list(section.findings)} for section in sections],
    }


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}" if count else ""
