"""What is synced: the catalog, what the settings choose of it, and what the organization changed about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from shared.catalog import Catalog, load_catalog
from shared.catalog.changes import SchemaChanges, SchemaStore
from shared.catalog.hash_key import open_hasher
from shared.catalog.hashing import ColumnHasher
from shared.catalog.selection import SelectedTable, SelectionRules, select
from shared.clock import Clock
from shared.config import Settings
from shared.objects import Objects, open_objects
from shared.secrets import open_secrets
from shared.urls import path_of, scheme_of


@dataclass(frozen=True)
class Selection:
    """The catalog with the organization's own columns, the rules, and the tables they choose."""

    catalog: Catalog
    rules: SelectionRules
    tables: Mapping[str, SelectedTable]
    hasher: ColumnHasher | None = None

    def only(self, names: Sequence[str]) -> Mapping[str, SelectedTable]:
        """The tables named, be they selected or not, with the same rules for their columns."""
        return select(self.catalog, replace(self.rules, only=tuple(names), add=(), skip=()), self.hasher)


async def open_selection(settings: Settings, objects: Objects, clock: Clock) -> Selection:
    """The selection, ready to read and write with: hashed columns have their key."""
    selection = _selection(settings, await read_changes(settings, objects))
    if not selection.rules.hash_columns:
        return selection
    secrets = await open_secrets("env:", settings.secrets_url)
    try:
        hasher = await open_hasher(secrets, objects, clock)
    finally:
        await secrets.close()
    return replace(selection, tables=select(selection.catalog, selection.rules, hasher), hasher=hasher)


async def look_at_selection(settings: Settings) -> Selection:
    """The selection for a look at it, without a key; makes no stores where there are none."""
    if scheme_of(settings.objects_url) == "file" and not path_of(settings.objects_url).is_dir():
        return _selection(settings, SchemaChanges())
    objects = await open_objects(settings.objects_url)
    try:
        return _selection(settings, await read_changes(settings, objects))
    finally:
        await objects.close()


async def read_changes(settings: Settings, objects: Objects) -> SchemaChanges:
    """The changes of the organization in the settings, else of the only one that there is."""
    organization = settings.organization_id
    if organization is None:
        known = {name.split("/")[1] for name in await objects.list("organizations/")}
        organization = known.pop() if len(known) == 1 else None
    return SchemaChanges() if organization is None else await SchemaStore(objects, organization).load()


def _selection(settings: Settings, changes: SchemaChanges) -> Selection:
    catalog, rules = changes.extended(load_catalog()), changes.applied(settings.selection)
    return Selection(catalog, rules, select(catalog, rules))
