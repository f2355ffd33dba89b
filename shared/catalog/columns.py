"""From the facts of a resource to its table: the columns, the includes, what carries the change time.

Columns come in the order in which people look for them: `id`, the foreign keys (each with its type when
it is polymorphic), the attributes, the lists of ids; alphabetically within each.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from shared.catalog.facts import ANY, Facts, ResourceFacts
from shared.catalog.model import Column, ColumnType, Include, Table
from shared.catalog.types import attribute_type
from shared.errors import ConfigError

RESERVED_PREFIXES: Final = (
    "_table_",
    "_file_",
    "_partition",
    "_row_timestamp",
    "__root__",
    "_colidentifier",
    "_change_",
)
"""Beginnings that BigQuery keeps for itself, in any case (documented under "Column names" and for CDC)."""

MAX_NAME_LENGTH: Final = 300
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CHANGE_ATTRIBUTES: Final = ("updated_at", "last_activity_at")
_STABLE_SORTS: Final = ("id", "created_at")

ORGANIZATION: Final = "organization"
"""The one relationship that Productive sends with its `data` unasked (observed on most resources)."""


def build_tables(facts: Facts) -> tuple[Table, ...]:
    """Every table of the catalog, by name; `ConfigError` when a table could not be made in a warehouse."""
    return tuple(_table(facts, name) for name in sorted(facts.resources))


def _table(facts: Facts, name: str) -> Table:
    resource = facts.resources[name]
    columns = tuple(_columns(facts, name))
    problems = name_problems([column.name for column in columns])
    if problems:
        raise ConfigError(
            f"table {name!r} cannot be made: {'; '.join(problems)}",
            advice="Correct the resource in shared/catalog/facts.toml.",
        )
    return Table(
        name=name,
        path=resource.path or name,
        type=facts.type_of(name),
        set=resource.set,
        columns=columns,
        includes=tuple(_includes(resource)),
        listable=resource.listable,
        documented=resource.documented,
        cursor=resource.cursor,
        limit=resource.limit,
        fallback_path=resource.fallback_path,
        params=resource.params,
        sorts=resource.sorts,
        stable_sort=next((sort for sort in _STABLE_SORTS if sort in (resource.sorts or ())), None),
        change_filter=resource.change_filter,
        change_column=_change_column(columns),
        events=resource.events,
        notes=resource.notes,
    )


def _columns(facts: Facts, name: str) -> Iterator[Column]:
    resource = facts.resources[name]
    tables = {facts.type_of(other): other for other in facts.resources}
    to_one = _relationships(resource.to_one)
    to_many = _relationships(resource.to_many)

    yield Column("id", ColumnType.STRING, "id", "id")
    foreign_keys: dict[str, str | None] = {}
    for field, target in to_one:
        foreign_keys[f"{field}_id"] = tables.get(target)
        yield Column(f"{field}_id", ColumnType.STRING, "to_one_id", field, references=tables.get(target))
        if target == ANY:
            yield Column(f"{field}_type", ColumnType.STRING, "to_one_type", field)

    taken = {"id", *foreign_keys}
    taken.update(f"{field}_type" for field, target in to_one if target == ANY)
    taken.update(f"{field}_ids" for field, _ in to_many)
    for field, described in resource.described().items():
        typed = attribute_type(name, field, described)
        yield Column(
            f"{field}_attribute" if field in taken else field,
            typed.type,
            "attribute",
            field,
            references=resource.joins.get(field) or foreign_keys.get(field),
            secret=field in resource.secret,
            guessed=described == "unknown",
        )

    for field, target in to_many:
        yield Column(
            f"{field}_ids", ColumnType.STRING_ARRAY, "to_many_ids", field, references=tables.get(target)
        )


def _relationships(by_target: dict[str, tuple[str, ...]]) -> list[tuple[str, str]]:
    return sorted((name, target) for target, names in by_target.items() for name in names)


def _includes(resource: ResourceFacts) -> Iterator[Include]:
    for name, target in _relationships(resource.to_one):
        if name != ORGANIZATION or resource.include_organization:
            yield Include(name, None if target == ANY else target)


def _change_column(columns: tuple[Column, ...]) -> str | None:
    times = {column.field for column in columns if column.type is ColumnType.TIMESTAMP}
    return next((name for name in _CHANGE_ATTRIBUTES if name in times), None)


def name_problems(names: list[str]) -> list[str]:
    """Why these cannot be the columns of one BigQuery table; none when they can.

    BigQuery compares names without case, takes letters, digits and underscores up to 300 characters, and
    reserves some beginnings. Names that start with `_` are ours (see `shared.record.OwnColumn`).
    """
    problems = []
    for name in names:
        if not _NAME.fullmatch(name):
            problems.append(f"column {name!r} needs letters, digits and underscores, not a digit first")
        if len(name) > MAX_NAME_LENGTH:
            problems.append(
                f"column {name[:30]!r}… has {len(name)} characters, {MAX_NAME_LENGTH} are allowed"
            )
        if name.lower().startswith(RESERVED_PREFIXES):
            problems.append(f"column {name!r} begins with a prefix that BigQuery reserves")
        elif name.startswith("_"):
            problems.append(f"column {name!r} begins with `_`, as only this project's own columns do")
    counts = Counter(name.lower() for name in names)
    problems.extend(f"column {name!r} exists twice" for name, count in counts.items() if count > 1)
    return problems
