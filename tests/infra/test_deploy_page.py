"""docs/deploy.md can be followed: all that its commands name is there."""

from __future__ import annotations

import re
import runpy
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from services.cli.init.answers import Answers
from services.cli.init.asking import Given, answers_of
from services.cli.main import cli

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/deploy.md").read_text(encoding="utf-8")
MODULE = "\n".join(file.read_text(encoding="utf-8") for file in (ROOT / "infra/terraform").glob("*.tf"))
TERRAFORM = {"init", "plan", "apply", "destroy", "output"}
UNCHECKED = {"bq", "docker", "export", "git", "jq", "printf", "read", "unset", "date"}
"""Programs of others, and the shell's own."""


def lines() -> list[str]:
    """What stands behind a prompt."""
    blocks = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def settings() -> dict[str, str]:
    """The names that the page sets at its beginning; those that commands find out stand for themselves."""
    exported = [shlex.split(line)[1:] for line in lines() if line.startswith("export ")]
    return {
        name: value
        for words in reversed(exported)
        for name, _, value in (word.partition("=") for word in words)
        if "$(" not in value and name != "PATH"
    }


def filled_in(text: str) -> str:
    known = settings()
    for _ in range(2):
        text = re.sub(r"\$([A-Z]+)", lambda found: known.get(found[1], found[0]), text)
    return text


def commands() -> Iterator[list[str]]:
    """Every command as its words: those in pipes, behind && and within $() each for itself."""
    waiting = [filled_in(line) for line in lines()]
    while waiting:
        line = waiting.pop()
        waiting += re.findall(r"\$\((.*)\)", line)
        outer = re.sub(r"\$\(.*\)", "FOUND", line)
        for part in re.split(r"\s(?:&&|\|)\s", outer):
            words = shlex.split(part, comments=True)
            yield words[: words.index(">")] if ">" in words else words


ALL = [tuple(words) for words in commands()]


def of(program: str) -> list[tuple[str, ...]]:
    return sorted({words[1:] for words in ALL if words[0] == program})


def test_the_page_uses_no_program_that_is_not_looked_at_here() -> None:
    known = UNCHECKED | {"gcloud", "make", "productive-ingest", "terraform"}
    assert {words[0] for words in ALL} <= known


@pytest.mark.parametrize("words", of("productive-ingest"), ids=" ".join)
def test_the_program_understands_its_commands_with_all_their_options(words: tuple[str, ...]) -> None:
    command: click.Command = cli
    rest = list(words)
    context = click.Context(cli, info_name="productive-ingest")
    while isinstance(command, click.Group):
        name, found, rest = command.resolve_command(context, rest)
        assert name is not None
        assert found is not None
        command = found
    command.make_context(name, rest, parent=context)


@pytest.mark.parametrize("words", of("make"), ids=" ".join)
def test_every_target_of_make_is_there(words: tuple[str, ...]) -> None:
    [target] = words
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("words", of("terraform"), ids=" ".join)
def test_every_variable_and_output_and_resource_of_terraform_is_there(words: tuple[str, ...]) -> None:
    folder, verb, *rest = words
    assert (ROOT / folder.removeprefix("-chdir=")).is_dir()
    assert verb in TERRAFORM
    for option in rest:
        name, _, value = option.partition("=")
        if name == "-var":
            assert f'variable "{value.partition("=")[0]}"' in MODULE
        elif name == "-target":
            kind, _, label = value.partition(".")
            assert f'resource "{kind}" "{label}"' in MODULE
        elif not name.startswith("-"):
            assert verb == "output"
            assert f'output "{name}"' in MODULE
        else:
            assert option in {"-raw", "-json"}


def test_the_variables_in_examples_are_those_of_terraforms_module() -> None:
    for block in re.findall(r"```hcl\n(.*?)```", PAGE, re.DOTALL):
        for name in re.findall(r"^(\w+) *=", block, re.MULTILINE):
            assert f'variable "{name}"' in MODULE
        for name in re.findall(r"^    (\w+) *=", block, re.MULTILINE):
            assert re.search(rf"^    {name} +=", MODULE, re.MULTILINE)
    for name in ("alert_emails", "bigquery_location", "image", "keep_data"):
        assert f"`{name}`" in PAGE or f"{name}=" in PAGE
        assert f'variable "{name}"' in MODULE


def test_what_the_commands_name_is_what_terraform_makes() -> None:
    known = settings()
    given = Given(known["PROJECT"], "12345", known["REGION"], None, known["NAME"], (), ())
    answers: Answers = answers_of(given, interactive=False)
    assert filled_in("$BASE") == answers.base
    named = {word for words in ALL for word in words if word.startswith(f"{answers.base}-")}
    services = {f"{answers.base}-{name}" for name in ("ingest", "backfill")}
    assert named == services | {f"{answers.base}-productive_api_token"}
    assert 'name                = "${each.value.base}-ingest"' in MODULE
    assert re.search(r'name += "backfill"', MODULE)
    assert answers.urls["objects_url"] == filled_in("gs://$PROJECT-$BASE/state")
    assert answers.urls["warehouse_url"] == filled_in("bigquery://$PROJECT/productive_$NAME")


def test_every_file_that_it_names_in_this_repository_is_there() -> None:
    made = {"infra/terraform/terraform.tfvars", "infra/terraform/image.auto.tfvars"}
    named = set(re.findall(r"\b(?:infra|requirements|scripts|docs)/[\w/.-]+\w", PAGE)) - made
    assert {"requirements/cloud.txt", "infra/terraform/backend.tf.example"} <= named
    for name in named:
        assert (ROOT / name).exists(), name


def command_tree() -> dict[str, Any]:
    """All commands of gcloud with their flags, as it keeps them for the shell's completion."""
    program = shutil.which("gcloud")
    assert program is not None
    places = [Path(program).resolve().parents[1], Path("/usr/lib/google-cloud-sdk")]
    for place in places:
        file = place / "data/cli/gcloud_completions.py"
        if file.exists():
            tree: dict[str, Any] = runpy.run_path(str(file))["STATIC_COMPLETION_CLI_TREE"]
            return tree
    pytest.skip("this gcloud keeps no list of its commands")


@pytest.mark.skipif(shutil.which("gcloud") is None, reason="gcloud is not installed here")
def test_gcloud_knows_its_commands_with_all_their_flags() -> None:
    tree = command_tree()
    for words in of("gcloud"):
        node, flags = tree, set(tree["flags"])
        rest = list(words)
        while rest and rest[0] in node["commands"]:
            node = node["commands"][rest.pop(0)]
            flags |= set(node["flags"])
        assert not node["commands"], f"gcloud {' '.join(words)}: no such command"
        used = {word.partition("=")[0] for word in rest if word.startswith("--")}
        assert used <= flags, f"gcloud {' '.join(words)}"
