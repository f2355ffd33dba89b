"""What people read about tables and columns where the warehouse can show it, from the catalog."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from shared.catalog.model import Column, ColumnType, Table
from shared.catalog.types import FAMILIES
from shared.warehouse.port import TableNotes

_MONEY: Final = tuple(re.compile(family.pattern) for family in FAMILIES if family.reason.startswith("Money"))
# Of tasks it is not known whether their times are in minutes: Productive's own texts disagree.
_MINUTES: Final = re.compile(
    r"(?!tasks\.)\w+\.((billable|budgeted|recognized|total|worked)_)?time|.*_minutes"
)
_TWINS: Final = (
    ("_default", ", in the organization's default currency"),
    ("_normalized", ", in the currency that Productive normalizes to"),
)


def notes_of(table: Table, hashed: Iterable[str] = ()) -> TableNotes:
    """The notes on a table and on all columns that the catalog knows, selected or not.

    `hashed` names columns that hold pseudonyms.
    """
    columns = {column.name: _column_note(table, column) for column in table.columns}
    for name in hashed:
        if name in columns:
            columns[name] = f"A pseudonym (keyed hash) of {columns[name][0].lower()}{columns[name][1:]}"
    about = (f"{_words(table.name).capitalize()} of Productive, read from {table.path}.", *table.notes)
    return TableNotes(description=" ".join(about), columns=columns, live=bool(table.events))


def _column_note(table: Table, column: Column) -> str:
    field, key = _words(column.field), f"{column.references}.id" if column.references else ""
    match column.kind:
        case "id":
            note = "The id in Productive: the primary key."
        case "to_one_id":
            note = f"The id of the {field}: {key}." if key else f"The id of the {field}."
        case "to_one_type":
            note = f"What kind of record the {field} is."
        case "to_many_ids":
            note = f"The ids of the {field}, each one of {key}." if key else f"The ids of the {field}."
        case "attribute":
            note = _attribute_note(table, column)
    return note


def _attribute_note(table: Table, column: Column) -> str:
    base, more = column.name, ""
    for ending, meaning in _TWINS:
        if base.endswith(ending) and column.type is ColumnType.NUMERIC:
            base, more = base.removesuffix(ending), meaning
    note = f"{_words(base).capitalize()}, Productive's attribute `{column.field}`"
    if column.type is ColumnType.NUMERIC and any(money.fullmatch(column.field) for money in _MONEY):
        note += f": money in minor units (cents){more}"
    elif column.type is ColumnType.INT64 and _MINUTES.fullmatch(f"{table.name}.{column.name}"):
        note += ": minutes"
    if column.references:
        note += f": {column.references}.id"
    return f"{note}." + (" Its type is guessed from its name." if column.guessed else "")


def _words(name: str) -> str:
    return name.replace("_", " ")
