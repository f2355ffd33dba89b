"""From a JSON:API resource to a record: columns by the catalog, nothing lost, nothing invented.

Pure: no clock, no I/O. The rules (which attribute becomes which column) are the catalog's; the rules
for single values are in `values`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.catalog.model import Column, Table
from shared.record.model import OwnColumn, Record, Value, Version
from shared.record.values import PARSERS, UNFIT, Parsed, Parser, json_text, parse_string, parse_timestamp

_MISSING = object()


@dataclass(frozen=True, slots=True)
class Rejected:
    """A resource that cannot become a record, and why; it belongs into the dead letters as it came."""

    resource: Any
    reason: str


@dataclass(slots=True)
class Drift:
    """Where a table's resources differed from the catalog; grows by field names, never by values.

    `unparsed` counts values kept in `_unparsed` by column, `unknown` the fields that no column takes,
    by `(name, JSON type)`.
    """

    unparsed: Counter[str] = field(default_factory=Counter)
    unknown: Counter[tuple[str, str]] = field(default_factory=Counter)


class Normalizer:
    """Turns resources of one table into records with the selected columns; built once, used for all pages."""

    def __init__(self, table: Table, columns: Sequence[Column]) -> None:
        self._change_times = [name for name in (table.change_column, "last_activity_at") if name]
        self._attributes: list[tuple[str, str, Parser]] = []
        self._relationships: list[tuple[str, str, Callable[[Any], Parsed]]] = []
        for column in columns:
            if column.kind == "attribute":
                self._attributes.append((column.name, column.field, PARSERS[column.type]))
            elif column.kind != "id":
                self._relationships.append((column.name, column.field, _LINKAGE_PARSERS[column.kind]))
        self._known_attributes = frozenset(c.field for c in table.columns if c.kind == "attribute")
        self._known_relationships = frozenset(
            c.field for c in table.columns if c.kind not in ("attribute", "id")
        )

    def normalize(self, resource: Any, observed_us: int, drift: Drift) -> Record | Rejected:
        """One resource, asked for at `observed_us`, as an upsert; what drifted is counted in `drift`."""
        if not isinstance(resource, dict):
            return Rejected(resource, "it is not a JSON object")
        id_ = parse_string(resource.get("id"))
        if not isinstance(id_, str) or not id_:
            return Rejected(resource, "it has no id")
        attributes = _object(resource.get("attributes"))
        relationships = _object(resource.get("relationships"))

        data: dict[str, Value] = {"id": id_}
        unfit: dict[str, Any] = {}
        for name, key, parse in self._attributes:
            raw = attributes.get(key)
            if raw is not None:
                parsed = parse(raw)
                if parsed is UNFIT:
                    unfit[name] = raw
                else:
                    data[name] = parsed
        for name, key, linkage in self._relationships:
            raw = relationships.get(key)
            if raw is not None:
                parsed = linkage(raw)
                if parsed is UNFIT:
                    unfit[name] = raw
                elif parsed is not None:
                    data[name] = parsed
        if unfit:
            data[OwnColumn.UNPARSED] = json_text(unfit)
            drift.unparsed.update(unfit.keys())
        self._count_unknown(attributes, relationships, drift)
        return Record(id_, "upsert", Version(self._changed_us(attributes, observed_us), observed_us), data)

    def _changed_us(self, attributes: dict[str, Any], observed_us: int) -> int:
        for name in self._change_times:
            changed = parse_timestamp(attributes.get(name))
            if isinstance(changed, int):
                return changed
        return observed_us

    def _count_unknown(self, attributes: dict[str, Any], relationships: dict[str, Any], drift: Drift) -> None:
        for name in attributes.keys() - self._known_attributes:
            drift.unknown[name, _json_type(attributes[name])] += 1
        for name in relationships.keys() - self._known_relationships:
            drift.unknown[name, "relationship"] += 1


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _linked(relationship: Any) -> Any:
    """The relationship's `data`; `_MISSING` when not asked for, which never means that there is none."""
    if not isinstance(relationship, dict):
        return UNFIT
    return relationship.get("data", _MISSING)


def _one(part: str) -> Callable[[Any], Parsed]:
    def parse(relationship: Any) -> Parsed:
        linked = _linked(relationship)
        if linked is _MISSING or linked is None:
            return None
        if not isinstance(linked, dict):
            return UNFIT
        return parse_string(linked.get(part))

    return parse


def _many(relationship: Any) -> Parsed:
    linked = _linked(relationship)
    if linked is _MISSING or linked is None:
        return None
    if not isinstance(linked, list):
        return UNFIT
    ids = [parse_string(item.get("id")) if isinstance(item, dict) else UNFIT for item in linked]
    return [id_ for id_ in ids if isinstance(id_, str)] if UNFIT not in ids else UNFIT


_LINKAGE_PARSERS: dict[str, Callable[[Any], Parsed]] = {
    "to_one_id": _one("id"),
    "to_one_type": _one("type"),
    "to_many_ids": _many,
}


_JSON_TYPES = {bool: "boolean", int: "integer", str: "string", list: "array", dict: "object"}


def _json_type(value: Any) -> str:
    return "null" if value is None else _JSON_TYPES.get(type(value), "number")
