"""The order of a list: by id unless a documented sort is asked for, with the id as the last word."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from services.sandbox import problems
from services.sandbox.history import name_of
from services.sandbox.schema import Resource
from services.sandbox.storage import Ref, Row
from services.sandbox.zone import instant
from shared.catalog import ColumnType

Key = tuple[bool, Any]
Lookup = Callable[[Ref], Row | None]

_SYNONYMS = {
    "last_activity": "last_activity_at",
    "budgets_first": "budget",
    "deals_first": "budget",
    "sales_status_id": "status_id",
    "responsible_name": "responsible",
    "deal_status": "deal_status",
}


@dataclass(frozen=True)
class Criterion:
    """One sort key: how to read it from a row, and whether it is an attribute of the row itself."""

    name: str
    own: bool
    descends: bool
    read: Callable[[Row], Key]


@dataclass(frozen=True)
class Order:
    """The criteria of one list. Nulls come last, or first when descending, as PostgreSQL has it."""

    criteria: tuple[Criterion, ...]
    newest_first: bool = False

    @property
    def is_by_id(self) -> bool:
        """Whether ids alone decide."""
        return not self.criteria or self.criteria[0].name == "id"

    @property
    def descends(self) -> bool:
        """The direction of the first criterion."""
        return self.criteria[0].descends if self.criteria else self.newest_first

    @property
    def field(self) -> str | None:
        """The attribute that alone decides, or None."""
        return self.criteria[0].name if len(self.criteria) == 1 else None

    @property
    def suits_cursors(self) -> bool:
        """Whether a row's place can be found again from its own attributes."""
        return all(criterion.own for criterion in self.criteria)

    def sort(self, ids: Iterable[int], row: Callable[[int], Row]) -> list[int]:
        """The ids in order; equal rows in the order of their ids, which turns with the first criterion."""
        result = sorted(ids, reverse=self.descends)
        for criterion in reversed(self.criteria):
            keys = {identifier: criterion.read(row(identifier)) for identifier in result}
            result.sort(key=keys.__getitem__, reverse=criterion.descends)
        return result

    def position(self, row: Row) -> list[Any]:
        """Where a row stands: the values of all criteria, then its id. Survives JSON."""
        return [*(list(criterion.read(row)) for criterion in self.criteria), row.id]

    def behind(self, position: list[Any], other: list[Any]) -> bool:
        """Whether one position comes after another."""
        for criterion, mine, theirs in zip(self.criteria, position, other, strict=False):
            if mine != theirs:
                return bool(mine < theirs) if criterion.descends else bool(mine > theirs)
        return bool(position[-1] < other[-1]) if self.descends else bool(position[-1] > other[-1])

    def before(self, row: Row, position: list[Any]) -> bool:
        """Whether a row comes before a position."""
        return self.behind(position, self.position(row))


def order_of(
    resource: Resource,
    sorts: tuple[tuple[str, bool], ...],
    lookup: Lookup,
    *,
    status: int,
    newest_first: bool,
) -> Order:
    """The order a request asks for; refuses what the endpoint does not document."""
    criteria = []
    for name, descends in sorts:
        if name not in resource.sorts:
            raise problems.unsupported_sort(name, status)
        own, read = _reader(resource, name, lookup)
        criteria.append(Criterion(name, own, descends, read))
    return Order(tuple(criteria), newest_first)


def _reader(resource: Resource, name: str, lookup: Lookup) -> tuple[bool, Callable[[Row], Key]]:
    if name == "id":
        return True, lambda row: (False, row.id)
    field = name if name in resource.attributes else _SYNONYMS.get(name, name)
    if field in resource.attributes:
        if resource.attributes[field] is ColumnType.TIMESTAMP:
            return True, lambda row: _moment(row.attributes.get(field))
        return True, lambda row: _key(row.attributes.get(field))
    if field in ("created_at", "updated_at"):
        return True, lambda row: (False, row.created_us if field == "created_at" else row.changed_us)
    relation = field.removesuffix("_id").removesuffix("_name")
    if relation in resource.relations:

        def read(row: Row) -> Key:
            link = row.links.get(relation)
            target = lookup(link) if isinstance(link, Ref) else None
            return _key(name_of(target.attributes) if target else None)

        return False, read
    return False, lambda row: _key(name_of(row.attributes))


def _moment(value: str | None) -> Key:
    return (True, 0) if value is None else (False, instant(value))


def _key(value: Any) -> Key:
    if value is None:
        return (True, 0)
    if isinstance(value, bool | int | float):
        return (False, value)
    return (False, value if isinstance(value, str) else str(value))
