"""Every argument and block of every resource against what the provider takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from scripts.terraform_checks.module import Module, Nested, is_expression
from scripts.terraform_checks.schema import Argument, Block, Schema

_META: Final = frozenset({"for_each", "count", "depends_on", "provider", "lifecycle"})
_KINDS: Final[Mapping[str, type | tuple[type, ...]]] = {
    "boolean": bool,
    "number": (int, float),
    "string": str,
    "list": list,
    "map": dict,
}


def check(module: Module, schema: Schema) -> Iterator[str]:
    """What the provider would refuse."""
    for (kind, name), body in module.resources.items():
        block = schema.resources.get(kind)
        if block is None:
            yield f"{kind}.{name}: the extract of the schema has no {kind}"
            continue
        own = {key: value for key, value in body.items() if key not in _META}
        yield from _check(f"{kind}.{name}", own, block)


def unused(module: Module, schema: Schema) -> Iterator[str]:
    """What the extract holds and no resource is of."""
    kinds = {kind for kind, _ in module.resources}
    for kind in schema.resources:
        if kind not in kinds:
            yield f"the extract of the schema holds {kind}, of which there is no resource"


def _check(place: str, body: Mapping[str, Any], block: Block) -> Iterator[str]:
    nested = _nested(body)
    own = {name: value for name, value in body.items() if name != "dynamic" and name not in nested}
    yield from _check_arguments(place, own, block)
    for name, inner in nested.items():
        inside = block.blocks.get(name)
        if inside is None:
            yield f"{place}: there is no block {name}"
            continue
        if len(inner) > 1 and not inside.many:
            yield f"{place}: {name} may be there once"
        for one in inner:
            yield from _check(f"{place}.{name}", one, inside)
    for name, inside in block.blocks.items():
        if inside.required and name not in nested:
            yield f"{place}: the block {name} is missing"


def _check_arguments(place: str, body: Mapping[str, Any], block: Block) -> Iterator[str]:
    for name, value in body.items():
        argument = block.arguments.get(name)
        if argument is None:
            yield f"{place}: there is no argument {name}"
        elif (problem := _kind_problem(argument, value)) is not None:
            yield f"{place}: {name} is {problem}"
    for name, argument in block.arguments.items():
        if argument.required and name not in body:
            yield f"{place}: the argument {name} is missing"


def _nested(body: Mapping[str, Any]) -> dict[str, list[Nested]]:
    """The blocks in a block, those that are repeated by `dynamic` once each."""
    found: dict[str, list[Nested]] = {}
    for name, value in body.items():
        if name == "dynamic":
            for one in value:
                for label, inner in one.items():
                    found.setdefault(label, []).extend(inner["content"])
        elif isinstance(value, list) and value and all(isinstance(one, Nested) for one in value):
            found.setdefault(name, []).extend(value)
    return found


def _kind_problem(argument: Argument, value: Any) -> str | None:
    kind, _, _ = argument.type.partition("(")
    if is_expression(value) or value is None:
        return None
    if isinstance(value, bool) != (kind == "boolean") or not isinstance(value, _KINDS[kind]):
        return f"to be a {kind}, and is {value!r}"
    return None
