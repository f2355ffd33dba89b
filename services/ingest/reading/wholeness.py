"""Whether a payload holds everything that is synced of a record."""

from __future__ import annotations

from typing import Any

from shared.catalog.selection import SelectedTable
from shared.record import Drift, Normalizer, Record
from shared.record.values import parse_timestamp


class Wholeness:
    """The rule for one table, with the columns that are selected of it.

    Whole is a resource of the right type and id that has every selected attribute (null is a value), the
    `data` of every selected to-one relationship (which is missing when it was not included, and null when
    there is none), and the time of its change; and all of its values fit their columns.

    Lists of ids (to-many relationships) are neither needed nor taken over: a crawl and a re-read do not ask
    for them, and a row must not depend on which way it came.
    """

    def __init__(self, selected: SelectedTable) -> None:
        columns = [column for column in selected.columns if column.kind != "to_many_ids"]
        self._type = selected.table.type
        self._change_column = selected.table.change_column
        self._attributes = frozenset(c.field for c in columns if c.kind == "attribute")
        self._relationships = frozenset(c.field for c in columns if c.kind not in ("attribute", "id"))
        self._normalizer = Normalizer(selected.table, columns)

    def record(self, resource: dict[str, Any], id_: str, *, observed_us: int) -> Record | None:
        """The resource as an upsert; None when it is not whole."""
        if not self._holds_everything(resource):
            return None
        drift = Drift()
        try:
            record = self._normalizer.normalize(resource, observed_us, drift)
        except (RecursionError, ArithmeticError, ValueError):
            return None  # nested deeper, or longer, than can be written again: let the API tell it
        if not isinstance(record, Record) or record.id != id_ or drift.unparsed:
            return None
        return record

    def _holds_everything(self, resource: dict[str, Any]) -> bool:
        attributes, relationships = resource.get("attributes"), resource.get("relationships", {})
        if not isinstance(attributes, dict) or not isinstance(relationships, dict):
            return False
        return (
            resource.get("type") == self._type
            and self._change_column is not None
            and isinstance(parse_timestamp(attributes.get(self._change_column)), int)
            and attributes.keys() >= self._attributes
            and all(_is_linked(relationships.get(name)) for name in self._relationships)
        )


def _is_linked(relationship: Any) -> bool:
    return isinstance(relationship, dict) and "data" in relationship
