"""Which rows of a table match, in order, as an array of ids that pages are cut from."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from typing import Any

from services.sandbox.bulk import SLOTS, Bulk
from services.sandbox.query.compare import ORDER
from services.sandbox.query.conditions import Condition, Group
from services.sandbox.query.sorts import Order
from services.sandbox.storage import Row, Table


def select(table: Table, group: Group, order: Order) -> array[int]:
    """The ids of the matching rows in the order asked for."""
    ids = table.ids if not group.members else _matching(table, group)
    return _sorted(table, ids, order)


def _matching(table: Table, group: Group) -> array[int]:
    test = group.test
    if table.bulk is None:
        return array("q", (identifier for identifier, row in _stored(table) if test(row)))
    stored = [identifier for identifier, row in _stored(table) if test(row)]
    return array("q", sorted([*stored, *_matching_bulk(table, table.bulk, group)]))


def _stored(table: Table) -> Iterable[tuple[int, Row]]:
    if table.bulk is None:
        return ((identifier, table.rows[identifier]) for identifier in table.ids)
    return table.rows.items()


def _matching_bulk(table: Table, bulk: Bulk, group: Group) -> Iterable[int]:
    """The matching rows that exist only as a rule, looking at as few of them as possible.

    Comparisons by order with an attribute that grows with the id cut a range; tests of attributes that a
    row shares with its prototype are made once per prototype.
    """
    first = bisect_left(table.ids, bulk.first_id)
    last = bisect_left(table.ids, bulk.first_id + bulk.count)
    members = _flat(group)
    ranges = [member for member in members if isinstance(member, Condition) and _cuts(member)]
    others = [member for member in members if member not in ranges]
    for cut in ranges:
        rising = cut.op in ("gt", "gt_eq")
        border = _border(table, bulk, cut.test, range(first, last), until=rising)
        first, last = (first + border, last) if rising else (first, first + border)
    found = (identifier for identifier in table.ids[first:last] if identifier not in table.rows)
    if not others:
        return found
    if any(_touches_slots(member) for member in others):
        return (i for i in found if all(member.test(bulk.row(i)) for member in others))
    good = [all(member.test(row) for member in others) for row in bulk.prototypes]
    return (i for i in found if good[bulk.prototype(i)])


def _border(table: Table, bulk: Bulk, test: Callable[[Row], bool], places: range, *, until: bool) -> int:
    """How many of the places come before the first whose test says `until`."""
    return bisect_left(places, True, key=lambda place: test(bulk.row(table.ids[place])) == until)


def _flat(group: Group) -> list[Condition | Group]:
    """The members that must all hold, with nested groups of the same kind opened."""
    if group.op == "or" and len(group.members) > 1:
        return [group]
    flat: list[Condition | Group] = []
    for member in group.members:
        flat += _flat(member) if isinstance(member, Group) else [member]
    return flat


def _cuts(condition: Condition) -> bool:
    return condition.op in ORDER and condition.field in SLOTS


def _touches_slots(member: Condition | Group) -> bool:
    if isinstance(member, Group):
        return any(_touches_slots(inner) for inner in member.members)
    return member.field in SLOTS or member.field == "id"


def _sorted(table: Table, ids: array[int], order: Order) -> array[int]:
    if order.is_by_id:
        return array("q", reversed(ids)) if order.descends else ids
    if table.bulk is None or order.field not in SLOTS:
        return array("q", order.sort(ids, table.row))
    # The rows that exist only as a rule are in order already: the others are put between them.
    bulk = [i for i in ids if i not in table.rows]
    result = array("q", reversed(bulk) if order.descends else bulk)
    places: dict[int, list[int]] = {}
    for identifier in order.sort([i for i in ids if i in table.rows], table.row):
        places.setdefault(_place(result, order, table.row(identifier), table), []).append(identifier)
    merged = array("q")
    start = 0
    for place, rows in sorted(places.items()):
        merged.extend(result[start:place])
        merged.extend(rows)
        start = place
    merged.extend(result[start:])
    return merged


def _place(ids: array[int], order: Order, row: Row, table: Table) -> int:
    position = order.position(row)
    return bisect_right(
        range(len(ids)), False, key=lambda place: not order.before(table.row(ids[place]), position)
    )


def after(table: Table, ids: array[int], order: Order, position: list[Any]) -> int:
    """The index of the first row behind a position that an earlier page ended with."""
    return bisect_left(
        range(len(ids)), True, key=lambda place: order.behind(order.position(table.row(ids[place])), position)
    )
