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
        self._templates: dict[Shape, dict[int, bytes]] = {}
        self._cached_bytes = 0
        organization.subscribe(lambda change: self._forget() if change.kind == "delete" else None)

    def check_include(self, resource: Resource, tree: IncludeTree, *, status: int, path: str = "") -> None:
        """Refuse what is no relationship, or is switched off."""
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
                self.check_include(self._schema[target], branch, status=status, path=f"{full}.")

    def records(
        self, table: str, ids: Iterable[int], tree: IncludeTree, fields: dict[str, frozenset[str]]
    ) -> list[bytes]:
        """The records with these ids, in this order."""
        rows = self._organization.rows(table)
        shape = self._shape(table, frozenset(tree), fields)
        if self._faults.touches(table):
            return [_encode(self._resource(rows.row(identifier), shape, whole=False)) for identifier in ids]
        bulk = rows.bulk
        result = []
        for identifier in ids:
            if bulk is None or identifier in rows.rows or identifier not in bulk:
                result.append(self._stored(rows.row(identifier), shape))
                continue
            place = bulk.prototype(identifier)
            prototype = bulk.prototypes[place]
            template = self._template(prototype, place, shape)
            gaps = {
                name.encode(): value.encode() for name, value in bulk.slots(identifier, prototype).items()
            }
            gaps[b"id"] = b"%d" % identifier
            result.append(template % gaps)
        return result

    def included(
        self, table: str, ids: Iterable[int], tree: IncludeTree, fields: dict[str, frozenset[str]]
    ) -> list[bytes]:
        """The records that the include tree leads to, each once, without the primary ones."""
        if not tree:
            return []
        primary = set(ids)
        found: dict[Ref, set[str]] = {}
        self._walk((self._primary_row(table, identifier) for identifier in ids), tree, found)
        result = []
        shapes: dict[tuple[str, frozenset[str]], Shape] = {}
        for ref, names in found.items():
            if ref.table == table and ref.id in primary:
                continue
            key = (ref.table, frozenset(names))
            if key not in shapes:
                shapes[key] = self._shape(*key, fields)
            result.append(self._stored(self._organization.rows(ref.table).row(ref.id), shapes[key]))
        return result

    def _primary_row(self, table: str, identifier: int) -> Row:
        """The row, or the prototype that has the same relationships."""
        rows = self._organization.rows(table)
        if rows.bulk is None or identifier in rows.rows or identifier not in rows.bulk:
            return rows.row(identifier)
        return rows.bulk.prototypes[rows.bulk.prototype(identifier)]

    def _walk(self, rows: Iterable[Row], tree: IncludeTree, found: dict[Ref, set[str]]) -> None:
        rows = list(rows)
        for name, branch in tree.items():
            reached: dict[Ref, None] = {}
            for row in rows:
                link = row.links.get(name)
                if link is None:
                    continue
                for ref in (link,) if isinstance(link, Ref) else link:
                    reached[ref] = None
            targets = [ref for ref in reached if self._organization.resolve(ref)]
            for ref in targets:
                found.setdefault(ref, set()).update(branch)
            if branch:
                self._walk((self._organization.rows(ref.table).row(ref.id) for ref in targets), branch, found)

    def _shape(self, table: str, included: frozenset[str], fields: dict[str, frozenset[str]]) -> Shape:
        return Shape(table, included, fields.get(self._schema[table].type))

    def _stored(self, row: Row, shape: Shape) -> bytes:
        if self._faults.touches(shape.table):
            return _encode(self._resource(row, shape, whole=False))
        cache = self._cache.setdefault(shape, {})
        known = cache.get(row.id)
        if known is not None and known[0] is row:
            return known[1]
        rendered = _encode(self._resource(row, shape))
        cache[row.id] = (row, rendered)
        self._count(rendered)
        return rendered

    def _template(self, prototype: Row, place: int, shape: Shape) -> bytes:
        cache = self._templates.setdefault(shape, {})
        if place not in cache:
            bulk = self._organization.rows(shape.table).bulk
            names = bulk.slots(bulk.first_id, prototype) if bulk else {}
            gaps = {name: _GAP.format(name) for name in names}
            row = Row(prototype.id, prototype.attributes | gaps, prototype.links, 0, 0)
            resource = self._resource(row, shape)
            resource["id"] = _GAP.format("id")
            template = _encode(resource).replace(b"%", b"%%")
            for name in ("id", *names):
                template = template.replace(_GAP.format(name).encode(), b"%%(%s)b" % name.encode())
            cache[place] = template
            self._count(template)
        return cache[place]

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
