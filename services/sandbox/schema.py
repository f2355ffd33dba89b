"""The shape of every resource: its attributes and relationships, read from the catalog.

Only names, types and targets come from there. What the API supports (filters, includes, cursors) is
decided by the sandbox's own modules, so that a wrong catalog entry shows instead of being confirmed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from shared.catalog import ColumnType, load_catalog
from shared.catalog.model import Table as CatalogTable


@dataclass(frozen=True)
class Relation:
    """One relationship: the table it points at (None: several, or one without a list) and its arity."""

    name: str
    target: str | None
    many: bool


@dataclass(frozen=True)
class Resource:
    """One resource of the API."""

    name: str
    path: str
    type: str
    listable: bool
    family: str | None
    sorts: frozenset[str]
    attributes: dict[str, ColumnType]
    references: dict[str, str]
    relations: dict[str, Relation]
    secrets: frozenset[str] = field(default_factory=frozenset)

    @property
    def is_report(self) -> bool:
        """Whether it is an aggregate: no cursors, and a rate limit of its own."""
        return self.path.startswith("reports/")


class Schema:
    """All resources by table name and by path."""

    def __init__(self, resources: tuple[Resource, ...]) -> None:
        self._by_name = {resource.name: resource for resource in resources}
        self.by_path = {resource.path: resource for resource in resources if resource.listable}

    def __getitem__(self, table: str) -> Resource:
        return self._by_name[table]

    def __contains__(self, table: object) -> bool:
        return table in self._by_name

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._by_name.values())


# Sorts that public clients use with success although the API's description does not list them.
_UNDOCUMENTED_SORTS = {"activities": frozenset({"created_at"})}


def _resource(table: CatalogTable) -> Resource:
    attributes, references, relations = {}, {}, {}
    for column in table.columns:
        match column.kind:
            case "attribute":
                attributes[column.field] = column.type
                if column.references:
                    references[column.field] = column.references
            case "to_one_id" | "to_many_ids":
                many = column.kind == "to_many_ids"
                relations[column.field] = Relation(column.field, column.references, many)
            case _:
                pass
    return Resource(
        name=table.name,
        path=table.path,
        type=table.type,
        listable=table.listable,
        family=table.limit,
        sorts=frozenset(table.sorts or ()) | _UNDOCUMENTED_SORTS.get(table.name, frozenset()),
        attributes=attributes,
        references=references,
        relations=relations,
        secrets=frozenset(column.field for column in table.columns if column.secret),
    )


@cache
def load_schema() -> Schema:
    """The schema of all catalog tables."""
    return Schema(tuple(_resource(table) for table in load_catalog().values()))
