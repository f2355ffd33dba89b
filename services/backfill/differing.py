"""Compares rows with what Productive just gave, column by column. A pure rule.

Only what Productive gave is compared. A relationship without `data` was not asked for, or refused, and an
attribute that is absent is no longer (or not always) sent: neither says that there is nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from shared.catalog.model import Column, ColumnType
from shared.catalog.selection import SelectedTable
from shared.record import OwnColumn, Record, Value

_JSON = msgspec.json.Decoder(float_hook=Decimal)


class Comparer:
    """The rule for one table, with the columns that are selected of it."""

    def __init__(self, selected: SelectedTable) -> None:
        self._columns = selected.columns

    def differing(self, resource: Any, record: Record, row: Mapping[str, Value]) -> tuple[str, ...]:
        """The columns, sorted, in which the row is not what `record`, made of `resource`, has."""
        told = {column.name: column for column in self._columns if _is_told(column, resource)}
        found = {
            name
            for name, column in told.items()
            if not _same(record.data.get(name), row.get(name), column.type)
        }
        expected, stored = _kept(record.data), _kept(row)
        found.update(name for name in told if expected.get(name) != stored.get(name))
        return tuple(sorted(found))


def _is_told(column: Column, resource: Any) -> bool:
    if column.kind == "id":
        return True
    place = resource.get("attributes" if column.kind == "attribute" else "relationships")
    if not isinstance(place, Mapping) or column.field not in place:
        return False
    if column.kind == "attribute":
        return True
    relationship = place[column.field]
    return not isinstance(relationship, Mapping) or "data" in relationship


def _same(one: Value, other: Value, type_: ColumnType) -> bool:
    if one == other:
        return True
    if type_ is ColumnType.JSON and isinstance(one, str) and isinstance(other, str):
        return bool(_JSON.decode(one) == _JSON.decode(other))
    if isinstance(one, list) and isinstance(other, list):  # the ids of a relationship have no order
        return sorted(one) == sorted(other)
    return type_ is ColumnType.STRING_ARRAY and not one and not other


def _kept(data: Mapping[str, Value]) -> Mapping[str, Any]:
    """The values that did not fit their columns, by column."""
    text = data.get(OwnColumn.UNPARSED)
    kept = _JSON.decode(text) if isinstance(text, str) else None
    return kept if isinstance(kept, Mapping) else {}
