"""Reads a Dockerfile: its stages and their instructions, with the build arguments filled in.

It knows as much as ours uses; anything else is an error and not passed over. What the instructions mean is
from Docker's reference of the Dockerfile.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

KNOWN: Final = frozenset(
    ["ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "LABEL", "RUN", "USER", "WORKDIR"],
)
_EXPANDED: Final = frozenset({"COPY", "ENV", "EXPOSE", "FROM", "LABEL", "USER", "WORKDIR"})
"""Where Docker itself fills arguments in; the shell of a RUN has them as variables."""

_VARIABLE: Final = re.compile(r"\$\{(\w+)\}|\$(\w+)")


class DockerfileError(Exception):
    """The file has something that is a mistake, or that this reader does not know."""


class Instruction(NamedTuple):
    """One instruction with its line in the file; `text` is what follows its name, on one line."""

    line: int
    name: str
    text: str


@dataclass
class Stage:
    """One `FROM` and what follows; `variables` are those of its ARG and ENV."""

    base: str
    name: str
    instructions: list[Instruction] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)

    def all(self, name: str) -> list[Instruction]:
        """Its instructions of that name."""
        return [one for one in self.instructions if one.name == name]

    def last(self, name: str) -> str:
        """What the last instruction of that name says, which is the one that counts; fails without one."""
        return self.all(name)[-1].text

    def words(self, name: str) -> list[str]:
        """The last instruction of that name in its JSON form."""
        found: list[str] = json.loads(self.last(name))
        return found

    def pairs(self, name: str) -> dict[str, str]:
        """What all instructions of that name set: `key=value key="value"`."""
        return {key: value for one in self.all(name) for key, value in pairs(one)}


def read_dockerfile(text: str, arguments: Mapping[str, str] | None = None) -> list[Stage]:
    """The stages in their order; `arguments` as with `--build-arg`."""
    given, first, stages = dict(arguments or {}), dict[str, str](), list[Stage]()
    for line, name, raw in _instructions(text):
        known = stages[-1].variables if stages and name != "FROM" else first
        said = _expanded(raw, known, line) if name in _EXPANDED else raw
        instruction = Instruction(line, name, said)
        if name == "FROM":
            stages.append(_stage(instruction, stages))
            continue
        if name == "ARG":
            key, has_default, default = said.partition("=")
            inherited = first.get(key, "") if stages else ""
            known[key] = given.get(key, default if has_default else inherited)
        elif not stages:
            raise DockerfileError(f"line {line}: {name} stands before the first FROM")
        elif name == "ENV":
            known.update(pairs(instruction))
        if stages:
            stages[-1].instructions.append(instruction)
    if not stages:
        raise DockerfileError("there is no FROM")
    return stages


def pairs(instruction: Instruction) -> list[tuple[str, str]]:
    """`key=value` pairs of an ENV or a LABEL."""
    words = [word.partition("=") for word in shlex.split(instruction.text)]
    if not all(equals for _, equals, _ in words):
        raise DockerfileError(f"line {instruction.line}: write {instruction.name} as key=value")
    return [(key, value) for key, _, value in words]


def _stage(instruction: Instruction, before: list[Stage]) -> Stage:
    match instruction.text.split():
        case [base]:
            return Stage(base, str(len(before)))
        case [base, word, name] if word.upper() == "AS":
            return Stage(base, name)
    raise DockerfileError(f"line {instruction.line}: write FROM image AS name")


def _instructions(text: str) -> Iterator[Instruction]:
    """Comments left out, continued lines joined."""
    begun: list[str] = []
    first = 0
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if stripped.startswith("#") or not stripped:
            continue
        first = first if begun else number
        begun.append(stripped.removesuffix("\\").strip())
        if stripped.endswith("\\"):
            continue
        name, _, rest = " ".join(begun).partition(" ")
        begun = []
        if name.upper() not in KNOWN:
            raise DockerfileError(f"line {first}: {name} is not known here")
        yield Instruction(first, name.upper(), rest.strip())
    if begun:
        raise DockerfileError(f"line {first}: it goes on after the end of the file")


def _expanded(text: str, variables: Mapping[str, str], line: int) -> str:
    def value(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name not in variables:
            raise DockerfileError(f"line {line}: there is no ARG or ENV {name}")
        return variables[name]

    return _VARIABLE.sub(value, text)
