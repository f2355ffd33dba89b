"""How a table's columns differ from what Productive sends, and from what the warehouse has."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from shared.catalog.guess import guessed_column
from shared.catalog.model import ColumnType
from shared.catalog.selection import SelectedTable
from shared.errors import ConfigError


class NewField(msgspec.Struct, frozen=True):
    """A field that no column takes, how often it came with which JSON type, and the column it could have.

    `column` is empty where its name cannot be a column's.
    """

    field: str
    types: Mapping[str, int]
    column: str = ""
    type: str = ""


class Retyped(msgspec.Struct, frozen=True):
    """A column that the warehouse has with another type than is selected, so that it cannot be written."""

    column: str
    in_warehouse: str
    selected: str


class TableDrift(msgspec.Struct, frozen=True, kw_only=True):
    """One table's differences; everything is empty where there are none.

    `new` are fields of the last crawl that no column takes, `unfit` counts its values that did not fit
    their columns, `absent` are columns that none of its records had a field for (None: not known).
    `left_behind` are columns of the warehouse that are not selected, `retyped` those of another type.
    """

    new: tuple[NewField, ...] = ()
    unfit: Mapping[str, int] = {}
    absent: tuple[str, ...] = ()
    left_behind: tuple[str, ...] = ()
    retyped: tuple[Retyped, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.new or self.unfit or self.absent or self.left_behind or self.retyped)


def types_by_field(unknown: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """Counts by `field: type`, as crawls keep them, as counts by type for each field."""
    fields: dict[str, dict[str, int]] = {}
    for name, count in sorted(unknown.items()):
        field, _, type_ = name.rpartition(": ")
        fields.setdefault(field, {})[type_] = count
    return fields


def table_drift(
    selected: SelectedTable,
    *,
    unknown: Mapping[str, int],
    unfit: Mapping[str, int],
    absent: tuple[str, ...],
    stored: Mapping[str, str],
) -> TableDrift:
    """The differences of one table; `stored` are the warehouse's columns with their types, without ours.

    What was added or dropped since the last crawl is not told again.
    """
    known = {column.field for column in selected.table.columns}
    types = {name: str(type_) for name, type_ in selected.typed_columns}
    return TableDrift(
        new=tuple(
            _new(selected, field, seen)
            for field, seen in types_by_field(unknown).items()
            if field not in known
        ),
        unfit={name: count for name, count in sorted(unfit.items()) if name in types},
        absent=tuple(name for name in absent if name in types),
        left_behind=tuple(name for name in stored if name not in types),
        retyped=tuple(
            Retyped(name, stored[name], type_)
            for name, type_ in types.items()
            if name in stored and stored[name] != type_
        ),
    )


def _new(selected: SelectedTable, field: str, seen: Mapping[str, int]) -> NewField:
    try:
        column = guessed_column(selected.table, field, seen)
    except ConfigError:
        return NewField(field, seen)
    return NewField(field, seen, column.name, str(ColumnType(column.type)))
