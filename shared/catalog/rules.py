"""What a person wrote about tables and columns, and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class SelectionRules:
    """What a person wrote: table names, and columns as `table.column`.

    `only` replaces the default tables; `add` and `skip` change them. Credential columns come only by
    being named in `add_columns`; `skip_columns` leaves columns out, `hash_columns` replaces their values
    by pseudonyms. `places` says where a name was written (`file:line`), by setting and name.
    """

    only: tuple[str, ...] = ()
    add: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    add_columns: tuple[str, ...] = ()
    skip_columns: tuple[str, ...] = ()
    hash_columns: tuple[str, ...] = ()
    places: Mapping[tuple[str, str], str] = field(default_factory=dict, compare=False, repr=False)

    def at(self, key: str, name: str) -> str:
        """`file:line: `, to begin a message about a name with; empty where the place is not known."""
        place = self.places.get((key, name))
        return f"{place}: " if place else ""
