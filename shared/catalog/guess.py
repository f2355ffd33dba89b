"""A column for a field that the catalog does not know: by its name and the types it was seen with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from shared.catalog.columns import name_problems
from shared.catalog.model import Column, ColumnType, Table
from shared.catalog.types import Described, attribute_type
from shared.errors import ConfigError

RELATIONSHIP: Final = "relationship"
"""How a relationship is counted among the types of unknown fields."""

_DESCRIBED: Final[Mapping[str, Described]] = {
    "string": "string",
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
    "array": "array",
    "object": "object",
}
_KINDS: Final[Mapping[ColumnType, Literal["to_one_id", "to_many_ids"]]] = {
    ColumnType.STRING: "to_one_id",
    ColumnType.STRING_ARRAY: "to_many_ids",
}


def described_as(seen: Mapping[str, int]) -> Described:
    """The type of a field that came with these JSON types, so many times each; nulls say nothing."""
    types = {type_ for type_, count in seen.items() if count and type_ != "null"}
    if types == {"integer", "number"}:
        return "number"
    return _DESCRIBED.get(types.pop(), "unknown") if len(types) == 1 else "unknown"


def guessed_column(
    table: Table, field: str, seen: Mapping[str, int], type_: ColumnType | None = None
) -> Column:
    """The column for `field`, of `type_` where a person named one.

    A relationship becomes `<field>_id`, or `<field>_ids` where a list was asked for. `ConfigError` for a
    name that no column can have, and for a type that the kind of field does not allow.
    """
    column = (
        _relationship(field, type_ or ColumnType.STRING)
        if RELATIONSHIP in seen
        else _attribute(table, field, seen, type_)
    )
    present = {known.name for known in table.columns}
    if column.name in present:
        raise ConfigError(
            f"the table {table.name!r} has a column {column.name!r} for something else",
            advice=f"`productive-ingest tables show {table.name}` lists its columns.",
        )
    problems = name_problems([column.name, *(name for name in present if name != column.name)])
    if problems:
        raise ConfigError(f"{table.name}.{field} cannot be added: {problems[0]}")
    return column


def _attribute(table: Table, field: str, seen: Mapping[str, int], type_: ColumnType | None) -> Column:
    if type_ is ColumnType.STRING_ARRAY:
        raise ConfigError(
            f"{table.name}.{field} is an attribute, whose lists are JSON",
            advice=f"Take --type {ColumnType.JSON}.",
        )
    guessed = attribute_type(table.name, field, described_as(seen)).type
    taken = field in {column.name for column in table.columns if column.field != field}
    return Column(
        f"{field}_attribute" if taken else field,
        type_ or guessed,
        "attribute",
        field,
        guessed=type_ is None,
    )


def _relationship(field: str, type_: ColumnType) -> Column:
    kind = _KINDS.get(type_)
    if kind is None:
        raise ConfigError(
            f"{field!r} is a relationship, which is kept as ids",
            advice=f"Take --type {ColumnType.STRING} for one id, {ColumnType.STRING_ARRAY} for a list.",
        )
    return Column(f"{field}_id" if kind == "to_one_id" else f"{field}_ids", type_, kind, field)
