"""A Terraform module as data: its blocks with the expressions in them as texts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import hcl2

ROOT: Final = Path(__file__).parents[2] / "infra" / "terraform"
_NOTES: Final = ("__comments__", "__inline_comments__", "__is_block__", "__start_line__", "__end_line__")

Body = Mapping[str, Any]
"""Arguments by name, and lists of `Nested` by the type of block. Expressions are texts in `${}`."""


class Nested(dict[str, Any]):
    """A block in a block, to be told from the value of an argument that is a map."""


@dataclass(frozen=True)
class Module:
    """All `.tf` files of a folder together, as Terraform takes them."""

    variables: Mapping[str, Body]
    locals: Mapping[str, Any]
    resources: Mapping[tuple[str, str], Body]
    outputs: Mapping[str, Body]
    providers: Sequence[Body]

    def bodies(self) -> Iterator[tuple[str, Any]]:
        """Everything that holds expressions, with how Terraform calls it."""
        for name, body in self.variables.items():
            yield f"var.{name}", body
        for name, value in self.locals.items():
            yield f"local.{name}", value
        for (kind, name), body in self.resources.items():
            yield f"{kind}.{name}", body
        for name, body in self.outputs.items():
            yield f"output.{name}", body
        for body in self.providers:
            yield "provider", body


def load(folder: Path = ROOT) -> Module:
    """Parse a folder; whatever the parser raises for text that is no HCL, with the file's name."""
    variables: dict[str, Body] = {}
    locals_: dict[str, Any] = {}
    resources: dict[tuple[str, str], Body] = {}
    outputs: dict[str, Body] = {}
    providers: list[Body] = []
    for path in sorted(folder.glob("*.tf")):
        try:
            document = hcl2.loads(path.read_text(encoding="utf-8"))
        except Exception as error:
            raise ValueError(f"{path.name} is not HCL: {error}") from error
        variables |= _labelled(document.get("variable", []))
        outputs |= _labelled(document.get("output", []))
        providers += [body for one in document.get("provider", []) for body in _clean(one).values()]
        for block in document.get("locals", []):
            locals_ |= _clean(block)
        for block in document.get("resource", []):
            for kind, named in _clean(block).items():
                resources |= {(kind, name): body for name, body in named.items()}
    return Module(variables, locals_, resources, outputs, providers)


def texts(value: Any) -> Iterator[str]:
    """All expressions and texts in a value, those of nested blocks too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from texts(one)


def is_expression(value: Any) -> bool:
    """Whether Terraform has to compute a value, which is more than a literal."""
    return isinstance(value, str) and "${" in value


def _labelled(blocks: Sequence[Any]) -> dict[str, Body]:
    return {name: body for block in blocks for name, body in _clean(block).items()}


def _clean(value: Any) -> Any:
    """Without the parser's notes, and without the quotes around literal texts and labels."""
    if isinstance(value, dict):
        kind = Nested if value.get("__is_block__") else dict
        return kind((_unquoted(key), _clean(one)) for key, one in value.items() if key not in _NOTES)
    if isinstance(value, list):
        return [_clean(one) for one in value]
    return _unquoted(value) if isinstance(value, str) else value


def _unquoted(text: str) -> str:
    if len(text) < 2 or not (text.startswith('"') and text.endswith('"')):
        return text
    return re.sub(r"\\(.)", r"\1", text[1:-1])
