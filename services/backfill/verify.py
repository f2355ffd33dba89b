"""Compares the warehouse with Productive: counts of every table, sampled rows field by field.

Where a count differs all ids are compared, so that the answer names the rows and not only their number.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec

from services.backfill.checkpoint import CheckpointStore
from services.backfill.together import first_alone
from shared.catalog.model import ColumnType
from shared.catalog.selection import SelectedTable
from shared.errors import IngestError, OwnerError, ProtocolError
from shared.productive import Learned, ListQuery, Page, ProductiveClient, Unavailable, read_page, walk
from shared.productive.jsonapi import identifier
from shared.record import Drift, Normalizer, OwnColumn, Record, Value
from shared.warehouse.port import OWN_COLUMNS, TableSchema, Warehouse

_JSON = msgspec.json.Decoder(float_hook=Decimal)
_BOOKKEEPING = frozenset({OwnColumn.SYNCED_AT, OwnColumn.CHANGED_AT, OwnColumn.SOURCE, OwnColumn.RUN_ID})


@dataclass(frozen=True)
class VerifyEnvironment:
    """What verification may touch; it only reads."""

    client: ProductiveClient
    warehouse: Warehouse
    checkpoints: CheckpointStore
    tables: Mapping[str, SelectedTable]
    rng: random.Random
    sample: int = 20
    most_ids: int = 20


class RowDifference(msgspec.Struct, frozen=True):
    """A sampled row that is not as Productive has it now; `newer` when it changed there after the sync."""

    id: str
    columns: tuple[str, ...]
    newer: bool


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """One table. Counts are None where unknown; `missing` and `extra` are ids, the first of them all.

    `missing_count` and `extra_count` say how many there are; `unavailable` is the reason when Productive
    does not give the table to this token, which is no difference.
    """

    table: str
    in_productive: int | None = None
    in_warehouse: int | None = None
    sampled: int = 0
    missing: tuple[str, ...] = ()
    missing_count: int = 0
    extra: tuple[str, ...] = ()
    extra_count: int = 0
    different: tuple[RowDifference, ...] = ()
    unavailable: str = ""
    failed: str = ""

    @property
    def right(self) -> bool:
        """Whether nothing was found that differs."""
        return not (self.missing_count or self.extra_count or self.different or self.failed)


async def verify(env: VerifyEnvironment) -> list[Verdict]:
    """All tables' verdicts, in the order of the selection.

    Raises `OwnerError` when a person has to act, and what the first request raises when nobody answers
    whom one could understand.
    """
    return await first_alone([partial(_verify_or_fail, env, table) for table in env.tables.values()])


async def _verify_or_fail(env: VerifyEnvironment, selected: SelectedTable) -> Verdict:
    try:
        return await _TableVerification(env, selected).run()
    except OwnerError:
        raise
    except IngestError as error:
        if not env.client.has_met:
            raise
        return Verdict(table=selected.name, failed=error.message)


class _TableVerification:
    def __init__(self, env: VerifyEnvironment, selected: SelectedTable) -> None:
        self._env = env
        self._selected = selected
        self._query = ListQuery.of(selected.table, [column.name for column in selected.columns])
        self._learned = Learned()

    async def run(self) -> Verdict:
        name = self._selected.name
        checkpoint = await self._env.checkpoints.table(name)
        self._learned = checkpoint.learned if checkpoint else Learned()
        first = await self._page(1)
        if isinstance(first, Unavailable):
            return Verdict(table=name, unavailable=first.reason)
        state = await self._env.warehouse.state(name)
        total, rows = first.total_count, state.rows if state else 0
        sampled = [*first.resources, *await self._another_page(total)]
        different = await self._differences(sampled, first.observed_us) if state else ()
        missing: Sequence[str] = ()
        extra: Sequence[str] = ()
        if total != rows or any(not difference.columns for difference in different):
            missing, extra = await self._compare_ids()
        return Verdict(
            table=name,
            in_productive=total,
            in_warehouse=rows,
            sampled=len(sampled),
            missing=tuple(missing[: self._env.most_ids]),
            missing_count=len(missing),
            extra=tuple(extra[: self._env.most_ids]),
            extra_count=len(extra),
            different=tuple(difference for difference in different if difference.columns),
        )

    async def _page(self, number: int) -> Page | Unavailable:
        return await read_page(
            self._env.client, self._query, number=number, size=self._env.sample, learned=self._learned
        )

    async def _another_page(self, total: int | None) -> list[Any]:
        """Rows from anywhere in the list: those of the first page alone would say little."""
        pages = -(-(total or 0) // self._env.sample)
        if pages < 2:
            return []
        page = await self._page(self._env.rng.randint(2, pages))
        return page.resources if isinstance(page, Page) else []

    async def _differences(self, resources: Sequence[Any], observed_us: int) -> tuple[RowDifference, ...]:
        """Sampled rows that differ; one that is not there at all differs in no column."""
        normalizer = Normalizer(self._selected.table, self._selected.columns)
        results = [normalizer.normalize(resource, observed_us, Drift()) for resource in resources]
        records = [result for result in results if isinstance(result, Record)]
        schema = TableSchema(self._selected.name, self._selected.typed_columns + OWN_COLUMNS)
        stored = await self._env.warehouse.fetch(schema, [record.id for record in records])
        json_columns = {name for name, type_ in schema.columns if type_ is ColumnType.JSON}
        found = []
        for record in records:
            row = stored.get(record.id)
            if row is None:
                found.append(RowDifference(record.id, (), newer=False))
                continue
            columns = _differing(record.data, row, json_columns)
            if columns:
                synced = row.get(OwnColumn.SYNCED_AT)
                newer = isinstance(synced, int) and record.version.changed_us > synced
                found.append(RowDifference(record.id, columns, newer=newer))
        return tuple(found)

    async def _compare_ids(self) -> tuple[list[str], list[str]]:
        """Ids that the warehouse lacks, and ids that Productive does not have."""
        query = ListQuery.of(self._selected.table, ["id"])
        there: set[str] = set()
        async for step in walk(self._env.client, query, learned=self._learned):
            if isinstance(step, Unavailable):
                raise ProtocolError(f"{self._selected.name}: {step.reason}")
            there.update(id_ for resource in step.resources if (id_ := identifier(resource)) is not None)
        extra = []
        async for chunk in self._env.warehouse.ids(self._selected.name):
            extra += [id_ for id_ in chunk if id_ not in there]
            there.difference_update(chunk)
        return sorted(there), sorted(extra)


def _differing(
    expected: Mapping[str, Value], row: Mapping[str, Value], json_columns: set[str]
) -> tuple[str, ...]:
    names = (expected.keys() | row.keys()) - _BOOKKEEPING
    return tuple(
        sorted(
            name
            for name in names
            if not _same(expected.get(name), row.get(name), as_json=name in json_columns)
        )
    )


def _same(one: Value, other: Value, *, as_json: bool) -> bool:
    if one == other:
        return True
    if as_json and isinstance(one, str) and isinstance(other, str):
        return bool(_JSON.decode(one) == _JSON.decode(other))
    return False
