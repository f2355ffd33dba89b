"""The documentation does not drift from the command line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from services.cli.main import cli
from shared.errors import ExitCode

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands(group: click.Group = cli, prefix: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


ALL = dict(commands())


@pytest.mark.parametrize("name", ALL)
def test_every_command_is_on_the_commands_page(name: str) -> None:
    assert re.search(rf"`{name}[` ]", (ROOT / "docs" / "commands.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ALL)
def test_every_command_says_what_it_does_and_gives_an_example(name: str) -> None:
    command = ALL[name]
    assert command.help
    assert command.epilog is not None
    assert "Example: " in command.epilog
    assert f"productive-ingest {name}" in command.epilog


@pytest.mark.parametrize("name", ALL)
def test_every_command_has_the_common_options_and_a_help_for_each_option(name: str) -> None:
    options = {option.name: option for option in ALL[name].params if isinstance(option, click.Option)}
    assert {"config_file", "data_dir", "as_json", "verbose"} <= options.keys()


def test_every_command_that_the_pages_tell_of_exists() -> None:
    for page in PAGES:
        for words in re.findall(r"productive-ingest ([a-z]+(?: [a-z]+)?)", page.read_text(encoding="utf-8")):
            first, _, second = words.partition(" ")
            assert first in cli.commands, f"{page.name}: productive-ingest {words}"
            group = cli.commands[first]
            if isinstance(group, click.Group) and second:
                assert second in group.commands, f"{page.name}: productive-ingest {words}"


def test_every_exit_code_is_documented() -> None:
    page = (ROOT / "docs" / "exit-codes.md").read_text(encoding="utf-8")
    for code in ExitCode:
        assert f"| {int(code)} |" in page


def test_every_page_that_is_linked_exists() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
