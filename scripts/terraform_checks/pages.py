"""The tables in the module's README, written from the module."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from scripts.terraform_checks.module import ROOT, Body, Module

README: Final = ROOT / "README.md"


def check(module: Module, readme: Path = README) -> Iterator[str]:
    """Variables and outputs without a word about them, and a README that is out of date."""
    for kind, named in (("variable", module.variables), ("output", module.outputs)):
        for name, body in named.items():
            if not body.get("description"):
                yield f"the {kind} {name} has no description"
    for name, body in module.variables.items():
        if "type" not in body:
            yield f"the variable {name} has no type"
    text = readme.read_text(encoding="utf-8")
    if written(text, module) != text:
        yield f"{readme.name} is out of date: python -m scripts.terraform_checks --write"


def write(module: Module, readme: Path = README) -> None:
    """Bring the README up to date."""
    readme.write_text(written(readme.read_text(encoding="utf-8"), module), encoding="utf-8")


def written(text: str, module: Module) -> str:
    """The README's text with its tables as they should be."""
    tables = {
        "variables": _table(("Variable", "Default", "Meaning"), map(_variable, module.variables.items())),
        "outputs": _table(("Output", "What it is"), map(_output, module.outputs.items())),
        "accounts": _table(("Account", "It"), map(_account, module.locals["services"].items())),
        "rights": _table(("On", "Role", "Who", "To"), map(_right, module.locals["rights"])),
    }
    for name, table in tables.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, _, rest = text.partition(begin)
        _, ended, after = rest.partition(end)
        if not ended:
            raise ValueError(f"the README has no place for the table of {name}")
        text = f"{before}{begin}{table}{end}{after}"
    return text


def _table(columns: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [columns, ("---",) * len(columns), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def _variable(item: tuple[str, Body]) -> tuple[str, ...]:
    name, body = item
    return f"`{name}`", _default(body), str(body["description"])


def _default(body: Body) -> str:
    if "default" not in body:
        return "**has to be set**"
    match body["default"]:
        case bool() as value:
            return f"`{str(value).lower()}`"
        case {} if "object(" in str(body["type"]):
            inner = re.findall(r"(\w+) = optional\(\w+, ((?:\"[^\"]*\"|[^()])+?)\)", str(body["type"]))
            return ", ".join(f"`{key} = {value}`" for key, value in inner)
        case "" | [] | {}:
            return "none"
        case value:
            return f"`{value}`"


def _output(item: tuple[str, Body]) -> tuple[str, ...]:
    return f"`{item[0]}`", str(item[1]["description"])


def _account(item: tuple[str, Any]) -> tuple[str, ...]:
    return f"`…-{item[0]}`", str(item[1])


def _right(right: Mapping[str, Any]) -> tuple[str, ...]:
    who = ", ".join(f"`{one}`" for one in right["who"])
    return f"{right['on']} `{right['name']}`", f"`{right['role']}`", who, str(right["why"])
