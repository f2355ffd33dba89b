"""What a person wrote about tables and columns, and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class SelectionRules:
    """What a person wrote: table names, and columns as `table.column`.

    `only` replaces the default tables; `add` and `skip` change them. Credential columns come only by
    being named in `add_columns`; `skip_columns` leaves columns out, `hash_columns` replaces their values
    by pseudonyms. `history` names the tables of which every version is kept, or is `*` for all. `places`
    says where a name was written (`file:line`), by setting and name.

    `named_columns` and `dropped_columns` are decided with commands instead (see `changes`): they are like
    `add_columns` and `skip_columns`, but names that do not exist are passed over. `revisions` counts such
    decisions by table.
    """

    only: tuple[str, ...] = ()
    add: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    history: tuple[str, ...] = ()
    add_columns: tuple[str, ...] = ()
    skip_columns: tuple[str, ...] = ()
    hash_columns: tuple[str, ...] = ()
    named_columns: tuple[str, ...] = ()
    dropped_columns: tuple[str, ...] = ()
    revisions: Mapping[str, int] = field(default_factory=dict)
    places: Mapping[tuple[str, str], str] = field(default_factory=dict, compare=False, repr=False)

    @property
    def unwanted_columns(self) -> frozenset[str]:
        """The columns whose values must not get into the warehouse, whoever brings them."""
        return frozenset((*self.skip_columns, *self.dropped_columns))

    def keeps_history(self, table: str) -> bool:
        """Whether every version of this table's records is to be kept."""
        return "*" in self.history or table in self.history

    def at(self, key: str, name: str) -> str:
        """`file:line: `, to begin a message about a name with; empty where the place is not known."""
        place = self.places.get((key, name))
        return f"{place}: " if place else ""
