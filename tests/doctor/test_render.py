"""What the doctor shows can be read on a narrow terminal, and its commands can be copied from it."""

from __future__ import annotations

from io import StringIO

import pytest

from services.cli.doctor.sections import Section
from services.cli.output import Console, Output
from services.cli.render.doctor import conclusion, print_sections
from shared.google.findings import good, problem, unknown, warning

COMMAND = "gcloud pubsub topics add-iam-policy-binding records --member=MEMBER --role=roles/pubsub.publisher"
SECTION = Section("Bus", (good("a", "is there"), problem("b", "words " * 20, COMMAND)))


def shown(*, terminal: bool, as_json: bool = False) -> list[str]:
    output = Output(as_json=as_json)
    file = StringIO()
    output.console = Console(
        file=file,
        width=60,
        force_terminal=terminal,
        highlight=False,
        color_system=None,
        soft_wrap=not terminal,
    )
    print_sections(output, [SECTION])
    return file.getvalue().splitlines()


def test_on_a_terminal_long_findings_are_indented_and_commands_are_not_broken() -> None:
    lines = shown(terminal=True)
    assert lines[:3] == ["Bus", "  ✓ a: is there", lines[2]]
    findings = [line for line in lines if "words" in line]
    assert len(findings) > 1
    assert all(len(line) < 60 and line.startswith("    ") for line in findings[1:])
    assert f"      {COMMAND}" in lines


def test_in_a_pipe_every_finding_is_one_line() -> None:
    lines = shown(terminal=False)
    assert len(lines) == 6
    assert lines[3] == f"      {COMMAND}"


def test_with_json_nothing_is_shown_to_people() -> None:
    assert shown(terminal=True, as_json=True) == []


@pytest.mark.parametrize(
    ("findings", "words"),
    [
        ((good("a", ""), good("b", "")), "All is well: 2 things were looked at."),
        ((good("a", ""), warning("b", "")), "All is well: 1 warning."),
        (
            (good("a", ""), warning("b", ""), unknown("c", "")),
            "No problem was found: 1 warning, 1 not known.",
        ),
        ((problem("a", ""),), "1 problem. Mend the problems with the commands above, and run this again."),
    ],
)
def test_the_conclusion_is_one_line(findings: tuple[object, ...], words: str) -> None:
    assert conclusion([Section("s", findings)]) == words  # type: ignore[arg-type]
