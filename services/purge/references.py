"""Which columns lead to people, derived from the catalog, and which rows are about the person they name.

Two kinds of rows name a person. Those that would not exist without the person (what a person earns, which
teams a person is in, when a person was logged in) are about the person and go with the person. Those that
record the agency's work (hours, tasks, invoices) stay whole, for they have to be kept and add up; the id in
them leads nowhere once the person's own row is gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from shared.catalog.model import Column, ColumnType, Table

Identity = Literal["people", "users"]
IDENTITIES: Final[tuple[Identity, ...]] = ("people", "users")

ABOUT: Final = frozenset(
    {
        "approval_policy_assignments.person_id",
        "contact_entries.person_id",
        "deal_cost_rates.person_id",
        "entitlements.person_id",
        "memberships.person_id",
        "notifications.owner_id",
        "organization_memberships.person_id",
        "organization_memberships.user_id",
        "project_assignments.person_id",
        "project_preferences.person_id",
        "salaries.person_id",
        "service_assignments.person_id",
        "service_type_assignments.person_id",
        "sessions.user_id",
        "sessions.user_id_attribute",
        "team_memberships.person_id",
        "timers.person_id",
    }
)
"""The columns whose rows are about the person they name. Everything else that names one stays."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A column that leads to people or to users; to other things, too, where it has a `type_column`."""

    table: str
    column: str
    identities: tuple[Identity, ...]
    type_column: str | None = None

    @property
    def is_about(self) -> bool:
        """Whether a row that names a person here is about that person."""
        return f"{self.table}.{self.column}" in ABOUT


def person_references(catalog: Mapping[str, Table]) -> Iterator[Reference]:
    """Every column that may lead to a person, in the catalog's order."""
    for table in catalog.values():
        names = {column.name for column in table.columns}
        for column in table.columns:
            if column.type not in (ColumnType.STRING, ColumnType.STRING_ARRAY) or column.kind == "id":
                continue
            identities = tuple(identity for identity in IDENTITIES if identity == column.references)
            if identities:
                yield Reference(table.name, column.name, identities)
            elif type_column := _type_column(column, names):
                yield Reference(table.name, column.name, IDENTITIES, type_column)


def _type_column(column: Column, names: set[str]) -> str | None:
    """The column beside a polymorphic id that tells which table it leads to."""
    stem = column.name.removesuffix("_id")
    beside = f"{stem}_type"
    return beside if column.references is None and stem != column.name and beside in names else None
