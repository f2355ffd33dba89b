"""What is to be forgotten, and how a record that lies somewhere is recognized as part of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from shared.record import Value

_PERSON_TYPES: Final = frozenset({"person", "people", "user", "users"})
"""What a polymorphic relationship or an `item_type` calls a person, in lower case; Productive writes the
JSON:API type in one and a class's name in the other (seen by others)."""


@dataclass(frozen=True, slots=True)
class Naming:
    """Rows whose `column` holds (or lists) one of `ids`, and whose `type_column`, if any, says a person."""

    column: str
    ids: frozenset[str]
    type_column: str | None = None

    def matches(self, data: Mapping[str, Value]) -> bool:
        """Whether a row names one of them."""
        value = data.get(self.column)
        named = value in self.ids if isinstance(value, str) else not self.ids.isdisjoint(_listed(value))
        return named and (self.type_column is None or is_person(data.get(self.type_column)))


@dataclass(frozen=True, slots=True)
class Subject:
    """Everything, or whole tables, rows by their ids, and rows by whom they name.

    `marks` are texts that occur in nothing else (addresses): what cannot be read as a record and holds
    one of them goes as well.
    """

    everything: bool = False
    tables: frozenset[str] = frozenset()
    rows: Mapping[str, frozenset[str]] = field(default_factory=dict)
    naming: Mapping[str, tuple[Naming, ...]] = field(default_factory=dict)
    marks: tuple[bytes, ...] = ()

    def holds_table(self, table: str) -> bool:
        """Whether every record of the table belongs to it."""
        return self.everything or table in self.tables

    def holds(self, table: str, record_id: str, data: Mapping[str, Value]) -> bool:
        """Whether this record belongs to it."""
        return (
            self.holds_table(table)
            or record_id in self.rows.get(table, ())
            or any(naming.matches(data) for naming in self.naming.get(table, ()))
        )

    def marked(self, content: bytes) -> bool:
        """Whether bytes that could not be read belong to it."""
        return self.everything or any(mark in content.lower() for mark in self.marks)


def is_person(kind: Value) -> bool:
    """Whether the type beside a polymorphic id says that it is a person's (or a user's)."""
    return isinstance(kind, str) and kind.rpartition("::")[2].lower() in _PERSON_TYPES


def _listed(value: Value) -> list[str]:
    return value if isinstance(value, list) else []
