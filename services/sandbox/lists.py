"""The two things the API can be asked for: a list, and one record."""

from __future__ import annotations

from array import array
from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from services.sandbox import problems
from services.sandbox.faults import Faults
from services.sandbox.organization import Organization
from services.sandbox.query import cursor, pages
from services.sandbox.query.compare import FLAG
from services.sandbox.query.conditions import Compiler
from services.sandbox.query.params import Query
from services.sandbox.query.selection import after, select
from services.sandbox.query.sorts import Order, order_of
from services.sandbox.render import Renderer
from services.sandbox.schema import Resource
from services.sandbox.storage import Ref, Row, Table

ELSEWHERE = "http://productive.elsewhere.invalid"
_REMEMBERED = 16


class Answer(NamedTuple):
    """A document, and how many records were rendered for it."""

    body: bytes
    records: int
    included: int


@dataclass(frozen=True)
class ListRequest:
    """A list as it is asked for; `base` is the URL without the query."""

    resource: Resource
    query: Query
    base: str
    flags: frozenset[str]


class Lists:
    """Answers from the organization's data."""

    def __init__(
        self, organization: Organization, renderer: Renderer, faults: Faults, *, newest_first: bool
    ) -> None:
        self._organization = organization
        self._renderer = renderer
        self._faults = faults
        self._newest_first = newest_first
        self._selections: OrderedDict[tuple[object, ...], array[int]] = OrderedDict()

    def one(self, resource: Resource, identifier: str, query: Query) -> Answer:
        """One record; sparse fieldsets are ignored here, as measured on the real API."""
        self._renderer.check_include(resource, query.include, status=self._faults.status_code)
        rows = self._organization.rows(resource.name)
        if (
            not (identifier.isascii() and identifier.isdigit())
            or len(identifier) > 18
            or int(identifier) not in rows
        ):
            raise problems.record_not_found(resource.type, identifier)
        ids = (int(identifier),)
        record = self._renderer.records(resource.name, ids, query.include, {})[0]
        included = self._renderer.included(resource.name, ids, query.include, {})
        parts = [b'{"data":', record]
        if query.include:
            parts += [b',"included":[', b",".join(included), b"]"]
        return Answer(b"".join([*parts, b',"meta":{}}']), 1, len(included))

    def many(self, request: ListRequest) -> Answer:
        """One page of a list."""
        resource, query = request.resource, request.query
        status = self._faults.status_code
        self._renderer.check_include(resource, query.include, status=status)
        order = order_of(resource, query.sorts, self._lookup, status=status, newest_first=self._newest_first)
        table = self._organization.rows(resource.name)
        ids = self._select(request, table, order)
        by_cursor = query.after is not None and not self._faults.on(
            self._faults.ignores_cursor, resource.name
        )
        if by_cursor:
            page, links, meta = self._cursor_page(request, table, ids, order)
        else:
            page, links, meta = self._numbered_page(request, ids)
        records = self._renderer.records(resource.name, page, query.include, query.fields)
        included = self._renderer.included(resource.name, page, query.include, query.fields)
        parts = [b'{"data":[', b",".join(records), b"]"]
        if query.include:
            parts += [b',"included":[', b",".join(included), b"]"]
        parts += [b',"links":', msgspec.json.encode(links), b',"meta":', msgspec.json.encode(meta), b"}"]
        return Answer(b"".join(parts), len(records), len(included))

    def _select(self, request: ListRequest, table: Table, order: Order) -> array[int]:
        """The matching ids, remembered between the pages of a walk."""
        cast = FLAG not in request.flags or self._faults.ignores_feature_flags
        compiler = Compiler(request.resource, cast, self._faults.status_code)
        group = compiler.compile(request.query.filters)
        if not group.members and order.is_by_id and not order.descends:
            return table.ids
        key = (
            request.resource.name,
            table.revision,
            repr(request.query.filters),
            request.query.sorts,
            cast,
            None if order.suits_cursors else id(request),
        )
        if key not in self._selections:
            self._selections[key] = select(table, group, order)
            if len(self._selections) > _REMEMBERED:
                self._selections.popitem(last=False)
        self._selections.move_to_end(key)
        return self._selections[key]

    def _cursor_page(
        self, request: ListRequest, table: Table, ids: array[int], order: Order
    ) -> tuple[array[int], dict[str, str], dict[str, int]]:
        resource, query = request.resource, request.query
        if query.number is not None:
            raise problems.keyset("keyset_conflict", "page[after] and page[number] exclude each other")
        refused = resource.is_report or self._faults.on(self._faults.no_cursor, resource.name)
        if refused or not order.suits_cursors:
            raise problems.keyset(
                "keyset_unsupported_sort", "Cursor pagination is not supported for this endpoint or sort"
            )
        scope = repr((resource.path, query.filters, query.sorts)).encode()
        start = after(table, ids, order, cursor.read(scope, query.after)) if query.after else 0
        page = ids[start : start + query.size]
        links: dict[str, str] = {}
        if start + query.size < len(ids):
            following = cursor.mint(scope, order.position(table.row(page[-1])))
            if self._faults.on(self._faults.repeat_links, resource.name):
                following = query.after or ""
            links["next"] = self._link(resource, pages.cursor_link(request.base, query, following))
        return page, links, pages.cursor_meta(query)

    def _numbered_page(
        self, request: ListRequest, ids: array[int]
    ) -> tuple[array[int], dict[str, str], dict[str, int]]:
        resource, query = request.resource, request.query
        start = ((query.number or 1) - 1) * query.size
        links = pages.numbered_links(request.base, query, len(ids))
        if "next" in links:
            if self._faults.on(self._faults.repeat_links, resource.name):
                links["next"] = links["next"].replace(
                    f"page%5Bnumber%5D={(query.number or 1) + 1}", f"page%5Bnumber%5D={query.number or 1}"
                )
            links["next"] = self._link(resource, links["next"])
        return ids[start : start + query.size], links, pages.numbered_meta(query, len(ids))

    def _link(self, resource: Resource, link: str) -> str:
        if not self._faults.on(self._faults.foreign_links, resource.name):
            return link
        parts = urlsplit(link)
        return f"{ELSEWHERE}{parts.path}?{parts.query}"

    def _lookup(self, ref: Ref) -> Row | None:
        return self._organization.rows(ref.table).get(ref.id)
