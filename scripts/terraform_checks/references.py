"""References between the parts of the module: they lead somewhere, and everything is used."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from scripts.terraform_checks.module import Module, texts
from scripts.terraform_checks.schema import Schema


def check(module: Module, schema: Schema) -> Iterator[str]:
    """References that lead nowhere, and variables and locals that nobody refers to."""
    seen: set[str] = set()
    for place, body in module.bodies():
        for text in _expressions(body):
            for kind, name in re.findall(r"\b(var|local)\.([a-z_][a-z0-9_]*)", text):
                if place != f"{kind}.{name}":
                    seen.add(f"{kind}.{name}")
                if name not in (module.variables if kind == "var" else module.locals):
                    yield f"{place}: there is no {kind}.{name}"
            yield from _of_resources(place, text, module, schema)
    for name in module.variables:
        if f"var.{name}" not in seen:
            yield f"var.{name} is not used"
    for name in module.locals:
        if f"local.{name}" not in seen:
            yield f"local.{name} is not used"


def _of_resources(place: str, text: str, module: Module, schema: Schema) -> Iterator[str]:
    pattern = r"\b(google_[a-z0-9_]+)\.([a-z_][a-z0-9_]*)((?:\[(?:[^\[\]]|\[[^\]]*\])*\])?)(?:\.([a-z_]+))?"
    for kind, name, _, attribute in re.findall(pattern, text):
        if (kind, name) not in module.resources:
            yield f"{place}: there is no {kind}.{name}"
        elif attribute and kind in schema.resources:
            block = schema.resources[kind]
            if attribute not in {*block.arguments, *block.computed, *block.blocks}:
                yield f"{place}: {kind} has no attribute {attribute}"


def _expressions(body: Any) -> Sequence[str]:
    return [text for text in texts(body) if "${" in text]
