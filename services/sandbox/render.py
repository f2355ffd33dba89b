"""Rows as JSON:API: what is included is linked, what is not says so, and only `organization` comes unasked.

Every rendered record is kept as bytes until its row changes. Rows that exist only as a rule share the
bytes of their prototype, with gaps for the id and the times, so that a million of them cost no more to
serve than a thousand.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from services.sandbox import problems
from services.sandbox.bulk import Bulk
from services.sandbox.faults import ANY, Faults
from services.sandbox.organization import Organization
from services.sandbox.query.params import IncludeTree
from services.sandbox.schema import Resource, Schema
from services.sandbox.storage import Link, Ref, Row

_NOT_INCLUDED = {"meta": {"included": False}}
_GAP = "~gap:{}~"
_CACHE_BYTES = 96 * 1024 * 1024

_encode = msgspec.json.Encoder().encode


class Shape(NamedTuple):
    """What of a table's records is shown: the linked relationships, and the sparse fieldset if any."""

    table: str
    included: frozenset[str]
    fields: frozenset[str] | None


class Renderer:
    """Turns rows into bytes."""

    def __init__(self, organization: Organization, schema: Schema, faults: Faults) -> None:
        self._organization = organization
        self._schema = schema
        self._faults = faults
        self._cache: dict[Shape, dict[int, tuple[Row, bytes]]] = {}
        self._templates: dict[Shape, dict[int, tuple[bytes, tuple[str, ...]]]] = {}
        self._cached_bytes = 0
        organization.subscribe(lambda change: self._forget() if change.kind == "delete" else None)

    def check_include(
        self,
        resource: Resource,
        tree: IncludeTree,
        *,
        status: int,
        path: str = "",
        refused: set[str] | None = None,
    ) -> None:
        """Refuse what is no relationship, or is switched off."""
        if refused is None:
            refused = self._faults.of(self._faults.refused_includes, resource.name) or set()
        for name, branch in tree.items():
            full = f"{path}{name}"
            relation = resource.relations.get(name)
            target = relation.target if relation else None
            if relation is not None and target is None and branch:
                full = f"{full}.{next(iter(branch))}"
            if relation is None or full in refused or (branch and target is None):
                named = full if self._faults.names_refused_include else None
                raise problems.unsupported_include(named, status)
            if target is not None:
                self.check_include(
                    self._schema[target], branch, status=status, path=f"{full}.", refused=refused
                )

    def records(
        self, table: str, ids: Iterable[int], tree: IncludeTree, fields: dict[str, frozenset[str]]
    ) -> list[bytes]:
        """The records with these ids, in this order."""
        rows = self._organization.rows(table)
        shape = self._shape(table, frozenset(tree), fields)
        if self._faults.touches(table):
            return [_encode(self._resource(rows.row(identifier), shape, whole=False)) for identifier in ids]
        if rows.bulk is None:
            return [self._stored(rows.rows[identifier], shape) for identifier in ids]
        return [
            self._stored(rows.rows[identifier], shape)
            if identifier in rows.rows
            else self._copied(rows.bulk, identifier, shape)
            for identifier in ids
        ]

    def included(
        self, table: str, ids: Iterable[int], tree: IncludeTree, fields: dict[str, frozenset[str]]
    ) -> list[bytes]:
        """The records that the include tree leads to, each once, without the primary ones."""
        if not tree:
            return []
        primary = set(ids)
        found: dict[Ref, frozenset[str]] = {}
        self._walk([self._primary_row(table, identifier) for identifier in ids], tree, found)
        shapes: dict[tuple[str, frozenset[str]], Shape] = {}
        result = []
        for ref, names in found.items():
            if ref.table == table and ref.id in primary:
                continue
            key = (ref.table, names)
            shape = shapes.get(key)
            if shape is None:
                shape = shapes[key] = self._shape(ref.table, names, fields)
            result.append(self._stored(self._organization.rows(ref.table).row(ref.id), shape))
        return result

    def _primary_row(self, table: str, identifier: int) -> Row:
        """The row, or the prototype that has the same relationships."""
        rows = self._organization.rows(table)
        if rows.bulk is None or identifier in rows.rows or identifier not in rows.bulk:
            return rows.row(identifier)
        return rows.bulk.prototypes[rows.bulk.prototype(identifier)]

    def _walk(self, rows: list[Row], tree: IncludeTree, found: dict[Ref, frozenset[str]]) -> None:
        """Collect what the tree leads to from some rows, each with the names that are linked on it."""
        for name, branch in tree.items():
            ends = dict.fromkeys(row.links.get(name) for row in rows)
            refs = dict.fromkeys(
                ref for end in ends if end for ref in ((end,) if isinstance(end, Ref) else end)
            )
            targets = [ref for ref in refs if self._organization.resolve(ref)]
            linked = frozenset(branch)
            for ref in targets:
                known = found.get(ref)
                found[ref] = linked if known is None else known | linked
            if branch:
                self._walk([self._organization.rows(ref.table).row(ref.id) for ref in targets], branch, found)

    def _shape(self, table: str, included: frozenset[str], fields: dict[str, frozenset[str]]) -> Shape:
        return Shape(table, included, fields.get(self._schema[table].type))

    def _stored(self, row: Row, shape: Shape) -> bytes:
        cache = self._cache.get(shape)
        if cache is None:
            cache = self._cache[shape] = {}
        known = cache.get(row.id)
        if known is not None and known[0] is row and not self._faults.distorting:
            return known[1]
        if self._faults.touches(shape.table):
            return _encode(self._resource(row, shape, whole=False))
        rendered = _encode(self._resource(row, shape))
        cache[row.id] = (row, rendered)
        self._count(rendered)
        return rendered

    def _copied(self, bulk: Bulk, identifier: int, shape: Shape) -> bytes:
        """A row that exists only as a rule: the bytes of its prototype with the gaps filled."""
        templates = self._templates.setdefault(shape, {})
        place = bulk.prototype(identifier)
        known = templates.get(place)
        if known is None:
            known = templates[place] = self._template(bulk, bulk.prototypes[place], shape)
        template, slots = known
        return template % (
            str(identifier).encode(),
            *(text.encode() for text in bulk.values(identifier, slots)),
        )

    def _template(self, bulk: Bulk, prototype: Row, shape: Shape) -> tuple[bytes, tuple[str, ...]]:
        """The bytes of a prototype with a gap for the id and for each time that is shown, in order."""
        gaps = {name: _GAP.format(name) for name in bulk.slots(prototype)}
        row = Row(prototype.id, prototype.attributes | gaps, prototype.links, 0, 0)
        resource = self._resource(row, shape)
        resource["id"] = _GAP.format("id")
        template = _encode(resource).replace(b"%", b"%%").replace(_GAP.format("id").encode(), b"%b", 1)
        places = {name: template.find(gap.encode()) for name, gap in gaps.items()}
        slots = tuple(sorted((name for name, place in places.items() if place >= 0), key=places.__getitem__))
        for name in slots:
            template = template.replace(gaps[name].encode(), b"%b", 1)
        self._count(template)
        return template, slots

    def _count(self, rendered: bytes) -> None:
        self._cached_bytes += len(rendered)
        if self._cached_bytes > _CACHE_BYTES:
            self._forget()

    def _forget(self) -> None:
        self._cache.clear()
        self._templates.clear()
        self._cached_bytes = 0

    def _resource(self, row: Row, shape: Shape, *, whole: bool = True) -> dict[str, Any]:
        resource = self._schema[shape.table]
        attributes = row.attributes if whole else self._distorted(row, shape.table)
        fields = shape.fields
        if fields is not None:
            attributes = {name: value for name, value in attributes.items() if name in fields}
        result: dict[str, Any] = {"id": str(row.id), "type": resource.type, "attributes": attributes}
        relationships: dict[str, Any] = {}
        for name, link in row.links.items():
            if fields is not None and name not in fields:
                continue
            shown = name in shape.included or (
                name == "organization" and shape.table != "organization_memberships"
            )
            relationships[name] = {"data": self._data(link)} if shown else _NOT_INCLUDED
        if relationships:
            result["relationships"] = relationships
        return result

    def _distorted(self, row: Row, table: str) -> dict[str, Any]:
        faults = self._faults
        extra = {**faults.extra_attributes.get(ANY, {}), **faults.extra_attributes.get(table, {})}
        return {**row.attributes, **extra, **faults.overrides.get((table, str(row.id)), {})}

    def _data(self, link: Link) -> Any:
        organization = self._organization
        if link is None:
            return None
        if isinstance(link, Ref):
            return organization.identifier(link) if organization.resolve(link) else None
        return [organization.identifier(ref) for ref in link if organization.resolve(ref)]
