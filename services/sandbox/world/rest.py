"""The resources that nobody looks at closely: a handful of rows each, filled in by name and type."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from services.sandbox.schema import Relation
from services.sandbox.storage import Link, Ref, Row
from services.sandbox.world.builder import World, iso
from services.sandbox.world.words import ADJECTIVES, NOUNS, SENTENCES
from services.sandbox.zone import DAY, stamp
from shared.catalog import ColumnType

_KEPT = frozenset({"created_at", "updated_at", "last_activity_at"})
_ENDED = ("archived_at", "deleted_at", "deactivated_at", "rejected_at", "failed_at", "dismissed_at")


def fill(world: World) -> None:
    """Give every resource without rows some, first the rows and then their relationships."""
    empty = [name for name, table in world.tables.items() if not len(table)]
    for name in empty:
        if not len(world.tables[name]):
            for _ in range(world.random.randrange(4, 10)):
                _row(world, name)
    for name in empty:
        for row in world.tables[name]:
            for relation in world.schema[name].relations.values():
                if relation.name != "organization":
                    row.links[relation.name] = _link(world, relation, row)
            for field, target in world.schema[name].references.items():
                row.attributes[field] = world.choice(world.tables[target].ids)


def _row(world: World, table: str) -> Row:
    row = world.add(table)
    for field, kind in world.schema[table].attributes.items():
        if field not in _KEPT:
            row.attributes[field] = _value(world, field, kind, row)
    return row


def _link(world: World, relation: Relation, row: Row) -> Link:
    if relation.target is None or relation.target not in world.tables:
        return () if relation.many else None
    ids = [identifier for identifier in world.tables[relation.target].ids if identifier != row.id]
    if relation.many:
        count = min(len(ids), world.random.randrange(0, 4))
        return tuple(
            Ref(relation.target, identifier) for identifier in sorted(world.random.sample(ids, count))
        )
    return Ref(relation.target, world.choice(ids)) if ids and world.chance(0.85) else None


def _value(world: World, field: str, kind: ColumnType, row: Row) -> Any:  # noqa: PLR0911 -- one table of types
    if row.attributes[field] not in (None, False, 0):
        return row.attributes[field]
    match kind:
        case ColumnType.BOOL:
            return world.chance(0.4)
        case ColumnType.INT64:
            return _integer(world, field)
        case ColumnType.NUMERIC:
            return _number(world, field)
        case ColumnType.DATE:
            return iso(world.today - timedelta(days=world.random.randrange(0, 500)))
        case ColumnType.TIMESTAMP:
            if field in _ENDED and world.chance(0.9):
                return None
            return stamp(row.created_us + world.random.randrange(1, 100) * DAY)
        case ColumnType.STRING:
            return _text(world, field)
        case _:
            return row.attributes[field]


def _integer(world: World, field: str) -> int | None:
    if "amount" in field or "price" in field or "cost" in field:
        return world.random.randrange(1_000, 900_000)
    return world.random.randrange(0, 60)


def _number(world: World, field: str) -> Any:
    if "rate" in field or "quantity" in field:
        return f"{world.random.randrange(10, 400) / 10}"
    amount = world.random.randrange(10_000, 5_000_000)
    return amount if world.chance(0.8) else amount / 3


def _text(world: World, field: str) -> str | int | None:  # noqa: PLR0911 -- one table of names
    random = world.random
    if field == "external_id" or field.endswith("_key"):
        return f"{random.randrange(16**10):010x}"
    if field.endswith("_id"):
        return random.randrange(1, 4) if field.endswith(("type_id", "status_id", "color_id")) else None
    if "email" in field or field == "from":
        return f"{world.choice(NOUNS).lower()}@example.com"
    if field.endswith("url"):
        return f"https://files.example.com/{random.randrange(10**8):08d}"
    if field.endswith("uuid"):
        return f"{random.randrange(16**8):08x}-0000-4000-8000-{random.randrange(16**12):012x}"
    if field in ("description", "note", "body", "comment", "instructions", "text"):
        return world.choice(SENTENCES)
    if field in ("name", "title", "label", "subject"):
        return f"{world.choice(ADJECTIVES)} {world.choice(NOUNS).lower()}"
    return world.choice((None, world.choice(NOUNS).lower()))
