"""What an organization has changed about its tables beyond the catalog: columns added and dropped.

Kept in the objects, beside the crawl's state, so that every service of the organization sees it and no
configuration file has to be rewritten.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import msgspec

from shared.catalog.loader import Catalog
from shared.catalog.model import Column, Include, Table
from shared.catalog.rules import SelectionRules
from shared.errors import BusyError, StorageError
from shared.objects.port import Generation, Objects


class SchemaChanges(msgspec.Struct, frozen=True, kw_only=True):
    """By table: `added` are columns that the catalog does not have, `named` those of the catalog that are
    left out unless named, `dropped` the names of columns that are not synced any more.

    A column that was added and then dropped is in both: its type is still needed, for what is under way.
    `revisions` counts the changes.
    """

    added: Mapping[str, tuple[Column, ...]] = {}
    named: Mapping[str, tuple[str, ...]] = {}
    dropped: Mapping[str, tuple[str, ...]] = {}
    revisions: Mapping[str, int] = {}

    def with_added(self, table: str, column: Column) -> SchemaChanges:
        """These changes and one more column; in place of another of its name."""
        others = tuple(known for known in self.added.get(table, ()) if known.name != column.name)
        changed = msgspec.structs.replace(self, added={**self.added, table: (*others, column)})
        return changed._undropped(table, column.name)

    def with_named(self, table: str, name: str) -> SchemaChanges:
        """These changes, and a column of the catalog taken (back) in."""
        names = tuple(sorted({*self.named.get(table, ()), name}))
        return msgspec.structs.replace(self, named={**self.named, table: names})._undropped(table, name)

    def with_dropped(self, table: str, name: str) -> SchemaChanges:
        """These changes, and a column left out."""
        kept = tuple(known for known in self.named.get(table, ()) if known != name)
        names = tuple(sorted({*self.dropped.get(table, ()), name}))
        changed = msgspec.structs.replace(
            self, named={**self.named, table: kept}, dropped={**self.dropped, table: names}
        )
        return changed._revised(table)

    def extended(self, catalog: Catalog) -> Catalog:
        """The catalog with the added columns.

        One that a newer catalog has by itself keeps the type it was added with, which is what the
        warehouse has.
        """
        return Catalog(tuple(_extended(table, self.added.get(name, ())) for name, table in catalog.items()))

    def applied(self, rules: SelectionRules) -> SelectionRules:
        """A person's rules with these changes on top; what a catalog does not know any more is left out."""
        return replace(
            rules,
            named_columns=_qualified(self.named),
            dropped_columns=_qualified(self.dropped),
            revisions=self.revisions,
        )

    def _undropped(self, table: str, name: str) -> SchemaChanges:
        kept = tuple(known for known in self.dropped.get(table, ()) if known != name)
        return msgspec.structs.replace(self, dropped={**self.dropped, table: kept})._revised(table)

    def _revised(self, table: str) -> SchemaChanges:
        count = self.revisions.get(table, 0) + 1
        return msgspec.structs.replace(self, revisions={**self.revisions, table: count})


def _extended(table: Table, added: tuple[Column, ...]) -> Table:
    if not added:
        return table
    names = {column.name for column in added}
    includes = {column.field for column in added if column.kind == "to_one_id"}
    includes -= {include.name for include in table.includes}
    return msgspec.structs.replace(
        table,
        columns=(*(column for column in table.columns if column.name not in names), *added),
        includes=(*table.includes, *(Include(name) for name in sorted(includes))),
    )


def _qualified(names: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(f"{table}.{name}" for table, those in names.items() for name in those)


class SchemaStore:
    """Reads and writes the changes of one organization."""

    def __init__(self, objects: Objects, organization_id: str) -> None:
        self._objects = objects
        self._name = f"organizations/{organization_id}/schema.json"
        self._generation: Generation | None = None

    async def load(self) -> SchemaChanges:
        """The changes as they are now; `StorageError` when what is stored makes no sense.

        Going on without would empty columns that somebody added, and fill those that somebody dropped.
        """
        stored = await self._objects.read(self._name)
        self._generation = stored.generation if stored else None
        if stored is None:
            return SchemaChanges()
        try:
            return msgspec.json.decode(stored.data, type=SchemaChanges)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise StorageError(
                f"the object {self._name} does not hold changes of a schema ({error})",
                advice="Restore it from a backup, or delete it and run the `schema add` and `schema drop` "
                "commands again that made it.",
            ) from None

    async def save(self, changes: SchemaChanges) -> None:
        """Replace what was loaded; `BusyError` when somebody else has changed it since."""
        generation = await self._objects.compare_and_set(
            self._name, msgspec.json.encode(changes), self._generation
        )
        if generation is None:
            raise BusyError("somebody else has changed the schema at the same time", advice="Try again.")
        self._generation = generation
