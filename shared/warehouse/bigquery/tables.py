"""What tables there are in the dataset, and making them what a schema asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from google.api_core.exceptions import Conflict, NotFound, PreconditionFailed
from google.cloud import bigquery

from shared.catalog.model import ColumnType
from shared.clock import Clock
from shared.errors import StorageError
from shared.warehouse.bigquery.appending import Appender
from shared.warehouse.bigquery.layout import (
    Columns,
    Facts,
    described,
    facts_of,
    field_for,
    interval_of,
    notes_of,
    stored_columns,
    table_for,
)
from shared.warehouse.bigquery.rest import LABELS, Rest
from shared.warehouse.port import SchemaChange, TableSchema

_REMEMBERED_SECONDS: Final = 60.0
_ATTEMPTS: Final = 5
_MOST_AT_ONCE: Final = 500


class Tables:
    """Knows the tables for a minute at a time, so that 58 of them at start cost 58 small requests at once.

    Whoever else alters a table meanwhile is noticed a minute later; this process's own changes at once.
    """

    def __init__(self, rest: Rest, clock: Clock) -> None:
        self._rest = rest
        self._clock = clock
        self._known: dict[str, tuple[Facts, float]] = {}
        self._looked = False
        self._locks: dict[str, asyncio.Lock] = {}

    async def facts(self, table: str) -> Facts | None:
        """What is there under this name; None when nothing is."""
        known = self._known.get(table)
        if known is not None and self._clock.monotonic() < known[1]:
            return known[0]
        return await self._look(table)

    async def columns(self, table: str) -> dict[str, str]:
        """The columns of a table of ours, by name with their types; empty when there is none."""
        facts = await self.facts(table)
        return dict(facts.columns) if facts is not None and facts.is_ours else {}

    async def look_at_all(self) -> None:
        """Learn of all tables at once, the first time it is asked for."""
        if self._looked:
            return
        self._looked = True
        dataset = f"{self._rest.project}.{self._rest.dataset}"
        client = self._rest.client
        items = await self._rest.call(lambda **options: list(client.list_tables(dataset, **options)))
        names = [item.table_id for item in items if item.table_type == "TABLE"]
        # Somebody may have thousands of others in the dataset.
        await asyncio.gather(*map(self._look, names[:_MOST_AT_ONCE]))

    async def show_all(self, table: str) -> None:
        """Let a table show all that was written to it, until it is ensured again.

        Whether a query right after this is already answered so is not documented.
        """
        facts = await self._look(table)
        if facts is not None and facts.staleness_minutes:
            facts.native.max_staleness = None
            update = self._rest.client.update_table
            self._keep(await self._rest.call(update, facts.native, ["max_staleness"]))

    def forget(self, table: str) -> None:
        """Look at this table again the next time."""
        self._known.pop(table, None)

    async def ensure(self, schema: TableSchema, appender: Appender) -> SchemaChange:
        """See `Warehouse.ensure_table`, without its history."""
        async with self._locks.setdefault(schema.name, asyncio.Lock()):
            await self.look_at_all()
            staleness = self._rest.settings.staleness_of(live=schema.notes.live)
            wanted = table_for(
                self._rest.named(schema.name),
                stored_columns(schema),
                staleness_minutes=staleness,
                description=schema.notes.description,
                notes=notes_of(schema),
            )
            return await self.make(wanted, stored_columns(schema), appender, schema)

    async def make(
        self,
        wanted: bigquery.Table,
        columns: Columns,
        appender: Appender,
        schema: TableSchema | None = None,
    ) -> SchemaChange:
        """Make the table, or what it lacks, and wait until the write path knows it."""
        name = wanted.table_id
        change = SchemaChange()
        for attempt in range(_ATTEMPTS):
            facts = await self.facts(name)
            try:
                if facts is None:
                    await self._create(wanted)
                    change = SchemaChange(created=True)
                else:
                    check(name, facts, columns, is_data=schema is not None)
                    change = await self._update(facts, wanted, columns, schema)
                break
            except (Conflict, PreconditionFailed):
                # Somebody else made or altered it between our look and our request.
                self.forget(name)
                if attempt == _ATTEMPTS - 1:
                    raise
        if change != SchemaChange():
            await appender.wait_for_columns(self._rest.path(name), [column for column, _ in columns])
        return change

    async def _look(self, table: str) -> Facts | None:
        try:
            found = await self._rest.call(self._rest.client.get_table, self._rest.named(table))
        except NotFound:
            self.forget(table)
            return None
        return self._keep(found)

    def _keep(self, table: bigquery.Table) -> Facts:
        facts = facts_of(table)
        self._known[table.table_id] = (facts, self._clock.monotonic() + _REMEMBERED_SECONDS)
        return facts

    async def _create(self, wanted: bigquery.Table) -> None:
        await self._rest.call(self._rest.client.create_table, wanted)
        await self._look(wanted.table_id)

    async def _update(
        self, facts: Facts, wanted: bigquery.Table, columns: Columns, schema: TableSchema | None
    ) -> SchemaChange:
        """Everything that differs in one request: BigQuery takes five a table in ten seconds."""
        table = facts.native
        notes = notes_of(schema) if schema is not None else {}
        added = [(name, type_) for name, type_ in columns if name not in facts.columns]
        fields = [described(field, notes) for field in table.schema]
        fields += [field_for(name, type_, notes) for name, type_ in added]
        changes: list[str] = []
        if fields != list(table.schema):
            table.schema = fields
            changes.append("schema")
        if wanted.description and wanted.description != table.description:
            table.description = wanted.description
            changes.append("description")
        staleness = facts_of(wanted).staleness_minutes
        if staleness != facts.staleness_minutes:
            table.max_staleness = interval_of(int(staleness)) if staleness else None
            changes.append("max_staleness")
        if any(table.labels.get(label) != value for label, value in LABELS.items()):
            table.labels = {**table.labels, **LABELS}
            changes.append("labels")
        if changes:
            self.forget(table.table_id)
            self._keep(await self._rest.call(self._rest.client.update_table, table, changes))
        return SchemaChange(added=tuple(name for name, _ in added))


def check(name: str, facts: Facts, columns: Sequence[tuple[str, ColumnType]], *, is_data: bool) -> None:
    """`StorageError` when it is another table altogether, or a column has another type."""
    if not facts.is_table or facts.key != ("id",) or (is_data and not facts.is_ours):
        raise StorageError(
            f"`{name}` in the dataset was not made by productive-ingest: it is no table with the primary "
            "key `id` and our own columns",
            advice=f"Rename or drop it (`bq rm -t DATASET.{name}`); the table that is needed is made then.",
        )
    for column, type_ in columns:
        if facts.columns.get(column, type_) != type_:
            raise StorageError(
                f"the column `{name}.{column}` is {facts.columns[column]} in the warehouse, and not {type_}",
                advice=f"`productive-ingest schema drop {name}.{column}` removes it with what is in it, "
                f"`schema add {name}.{column}` takes it in again, and the next `backfill` fills it.",
            )
