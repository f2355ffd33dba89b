"""From a JSON:API resource to a record: columns by the catalog, nothing lost, nothing invented.

Pure: no clock, no I/O. The rules (which attribute becomes which column) are the catalog's; the rules
for single values are in `values`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from shared.catalog.hashing import HashedColumn
from shared.catalog.model import Column, ColumnType, Table
from shared.record.hashed import hashed_parser
from shared.record.model import OwnColumn, Record, Value, Version
from shared.record.values import PARSERS, UNFIT, Parsed, Parser, json_text, parse_string, parse_timestamp


@dataclass(frozen=True, slots=True)
class Rejected:
    """A resource that cannot become a record, and why; `Normalizer.redacted` says what of it may be kept."""

    resource: Any
    reason: str


@dataclass(slots=True)
class Drift:
    """Where a table's resources differed from the catalog; grows by field names, never by values.

    `unparsed` counts values kept in `_unparsed` by column, `unknown` the fields that no column takes,
    by `(name, JSON type)`. `seen` are the names of fields that came at all, null or not, as far as
    somebody has looked; records of a table hardly ever differ in that, so a sample will do.
    """

    unparsed: Counter[str] = field(default_factory=Counter)
    unknown: Counter[tuple[str, str]] = field(default_factory=Counter)
    seen: set[str] = field(default_factory=set)

    def look(self, resources: Sequence[Any]) -> None:
        """Note which fields resources have."""
        for resource in resources:
            if isinstance(resource, dict):
                self.seen.update(_object(resource.get("attributes")), _object(resource.get("relationships")))


class Normalizer:
    """Turns resources of one table into records with the selected columns; built once, used for all pages.

    A page of a wide table holds tens of thousands of fields, most of them null or already in the form in
    which they travel: each costs one look into a plan by its name, and only the others a call.
    """

    def __init__(self, table: Table, columns: Sequence[Column]) -> None:
        self._attributes = {c.field: _AttributePlan.of(c) for c in columns if c.kind == "attribute"}
        self._in_clear = frozenset(
            c.field for c in columns if c.kind == "attribute" and not isinstance(c, HashedColumn)
        )
        self._relationships: dict[str, tuple[_LinkPlan, ...]] = {}
        for column in columns:
            if column.kind not in ("attribute", "id"):
                plan = _LinkPlan(column.name, _LINKAGE_PARSERS[column.kind])
                self._relationships[column.field] = (*self._relationships.get(column.field, ()), plan)
        self._unselected_attributes = _fields(table, "attribute") - self._attributes.keys()
        self._unselected_relationships = _fields(table, *_LINKAGE_PARSERS) - self._relationships.keys()
        self._change_times = [
            (name, self._parsed_by(name)) for name in (table.change_column, "last_activity_at") if name
        ]

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
        self._read_attributes(attributes, data, unfit, drift)
        self._read_relationships(relationships, data, unfit, drift)
        if unfit:
            data[OwnColumn.UNPARSED] = json_text(unfit)
            drift.unparsed.update(unfit.keys())
        return Record(
            id_, "upsert", Version(self._changed_us(attributes, data, observed_us), observed_us), data
        )

    def redacted(self, resource: Any) -> Any:
        """A resource that became no record, without the values that the selection keeps out of the tables.

        The names of its fields stay, and the values of those that are synced as they come.
        """
        if not isinstance(resource, dict):
            return resource
        return resource | {
            name: {field_: raw if field_ in kept else _NOT_KEPT for field_, raw in resource[name].items()}
            for name, kept in (("attributes", self._in_clear), ("relationships", self._relationships))
            if isinstance(resource.get(name), dict)
        }

    def _read_attributes(
        self, attributes: dict[str, Any], data: dict[str, Value], unfit: dict[str, Any], drift: Drift
    ) -> None:
        plans = self._attributes
        for field_, raw in attributes.items():
            plan = plans.get(field_)
            if plan is None:
                if field_ not in self._unselected_attributes:
                    drift.unknown[field_, _json_type(raw)] += 1
                continue
            if raw is None:
                continue
            name, travels_as, parse = plan
            if type(raw) is travels_as:
                data[name] = raw
                continue
            parsed = parse(raw)
            if parsed is UNFIT:
                unfit[name] = raw
            else:
                data[name] = parsed

    def _read_relationships(
        self, relationships: dict[str, Any], data: dict[str, Value], unfit: dict[str, Any], drift: Drift
    ) -> None:
        for field_, raw in relationships.items():
            plans = self._relationships.get(field_)
            if plans is None:
                if field_ not in self._unselected_relationships:
                    drift.unknown[field_, "relationship"] += 1
                continue
            if type(raw) is dict:
                # Without `data` it was not asked for, which never means that there is none.
                linked = raw.get("data")
                if linked is None:
                    continue
            elif raw is None:
                continue
            else:
                linked = UNFIT
            for name, parse in plans:
                parsed = parse(linked)
                if parsed is UNFIT:
                    unfit[name] = raw
                else:
                    data[name] = parsed

    def _parsed_by(self, field_: str) -> str | None:
        """The selected column, if there is one, that holds the attribute's time when it is parsed."""
        plan = self._attributes.get(field_)
        return plan.name if plan and plan.parse is parse_timestamp else None

    def _changed_us(self, attributes: dict[str, Any], data: dict[str, Value], observed_us: int) -> int:
        for field_, column in self._change_times:
            changed = data.get(column) if column else parse_timestamp(attributes.get(field_))
            if isinstance(changed, int):
                return changed
        return observed_us


_NOT_KEPT = "[not kept]"


class _AttributePlan(NamedTuple):
    """Where an attribute goes. A value of exactly the type `travels_as` (None: no type) needs no parsing."""

    name: str
    travels_as: type[str | bool] | None
    parse: Parser

    @classmethod
    def of(cls, column: Column) -> _AttributePlan:
        if isinstance(column, HashedColumn):
            return cls(column.name, None, hashed_parser(column))
        return cls(column.name, _TRAVELS_AS.get(column.type), PARSERS[column.type])


_TRAVELS_AS: dict[ColumnType, type[str | bool]] = {ColumnType.STRING: str, ColumnType.BOOL: bool}


class _LinkPlan(NamedTuple):
    """Where a part of a relationship goes; `parse` takes its `data`."""

    name: str
    parse: Callable[[Any], Parsed]


def _fields(table: Table, *kinds: str) -> frozenset[str]:
    return frozenset(column.field for column in table.columns if column.kind in kinds)


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _linked_id(linked: Any) -> Parsed:
    return parse_string(linked.get("id")) if isinstance(linked, dict) else UNFIT


def _linked_type(linked: Any) -> Parsed:
    return parse_string(linked.get("type")) if isinstance(linked, dict) else UNFIT


def _linked_ids(linked: Any) -> Parsed:
    if not isinstance(linked, list):
        return UNFIT
    ids = [_linked_id(item) for item in linked]
    return [id_ for id_ in ids if isinstance(id_, str)] if UNFIT not in ids else UNFIT


_LINKAGE_PARSERS: dict[str, Callable[[Any], Parsed]] = {
    "to_one_id": _linked_id,
    "to_one_type": _linked_type,
    "to_many_ids": _linked_ids,
}


_JSON_TYPES = {bool: "boolean", int: "integer", str: "string", list: "array", dict: "object"}


def _json_type(value: Any) -> str:
    return "null" if value is None else _JSON_TYPES.get(type(value), "number")
