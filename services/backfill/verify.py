"""Compares the warehouse with Productive: counts of every table, and rows field by field.

Rows are a sample, or all. Where a count differs all ids are compared, so that the answer names the rows
and not only their number.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from services.backfill.checkpoint import CheckpointStore
from services.backfill.differing import Comparer
from services.backfill.looking import Looker
from services.backfill.seen import IdSet
from services.backfill.together import first_alone
from services.backfill.verdict import Findings, RowDifference, Verdict
from shared.catalog.model import ColumnType
from shared.catalog.selection import SelectedTable
from shared.errors import IngestError, OwnerError, ProtocolError
from shared.productive import Learned, ListQuery, Page, ProductiveClient, Unavailable, read_page, walk
from shared.productive.jsonapi import identifier
from shared.record import Drift, Normalizer, OwnColumn, Record, Version
from shared.record.keepout import KeepOut, NothingKeptOut
from shared.warehouse.port import StoredVersion, TableSchema, TableState, Warehouse

__all__ = ["Findings", "RowDifference", "Verdict", "VerifyEnvironment", "examine", "verify"]

_OWN = ((OwnColumn.SYNCED_AT, ColumnType.TIMESTAMP), (OwnColumn.UNPARSED, ColumnType.JSON))
_LISTED = 5
_MOST_LOOKED = 1_000
_MOST_READS = 100
"""So many rows that no list shows are looked up by their ids, by the list of ids and one by one."""


@dataclass(frozen=True)
class VerifyEnvironment:
    """What verification may touch; it only reads.

    `sample` is how many rows of two pages are compared, None for all rows there are. `most_ids` are named in
    a verdict, and `most_findings` kept for a repair. What `keep_out` holds is rightly not in the warehouse.
    """

    client: ProductiveClient
    warehouse: Warehouse
    checkpoints: CheckpointStore
    tables: Mapping[str, SelectedTable]
    rng: random.Random
    sample: int | None = 20
    most_ids: int = 20
    most_findings: int = 20_000
    keep_out: KeepOut = field(default_factory=NothingKeptOut)


async def verify(env: VerifyEnvironment) -> list[Verdict]:
    """All tables' verdicts, in the order of the selection; raises what `examine` raises."""
    return [findings.verdict for findings in await examine(env)]


async def examine(env: VerifyEnvironment) -> list[Findings]:
    """All tables' findings, in the order of the selection.

    Raises `OwnerError` when a person has to act, and what the first request raises when nobody answers
    whom one could understand.
    """
    await env.keep_out.refresh()
    return await first_alone([partial(_examine_or_fail, env, table) for table in env.tables.values()])


async def _examine_or_fail(env: VerifyEnvironment, selected: SelectedTable) -> Findings:
    try:
        return await _TableVerification(env, selected).run()
    except OwnerError:
        raise
    except IngestError as error:
        if not env.client.has_met:
            raise
        return Findings(Verdict(table=selected.name, failed=error.message))


class _TableVerification:
    def __init__(self, env: VerifyEnvironment, selected: SelectedTable) -> None:
        self._env = env
        self._selected = selected
        self._name = selected.name
        self._query = ListQuery.of(selected.table, [column.name for column in selected.columns])
        self._normalizer = Normalizer(selected.table, selected.columns)
        self._comparer = Comparer(selected)
        self._learned = Learned()
        self._sampled = 0
        self._missing: dict[str, None] = {}
        self._different: dict[str, RowDifference] = {}
        self._extra: list[str] = []
        self._listed: list[str] = []

    async def run(self) -> Findings:
        checkpoint = await self._env.checkpoints.table(self._name)
        self._learned = checkpoint.learned if checkpoint else Learned()
        started_us = self._env.client.server_clock.now_us()
        first = await self._page(1)
        if isinstance(first, Unavailable):
            return Findings(Verdict(table=self._name, unavailable=first.reason))
        started_us = min(started_us, first.observed_us)
        state = await self._env.warehouse.state(self._name)
        total, rows = first.total_count, state.rows if state else 0
        if self._env.sample is None:
            total = await self._compare_all()
        else:
            for page in (first, *await self._another_page(total)):
                await self._compare(page.resources, page.observed_us)
            if total != rows or self._missing:
                await self._compare_ids()
        return await self._findings(started_us, total, state)

    async def _findings(self, started_us: int, total: int | None, state: TableState | None) -> Findings:
        shown, most = self._env.most_ids, self._env.most_findings
        unlisted = await self._unlisted()
        missing, extra = sorted(self._missing), sorted(set(self._extra) - unlisted)
        different = sorted(self._different.values(), key=lambda row: row.id)
        verdict = Verdict(
            table=self._name,
            in_productive=total,
            in_warehouse=state.rows if state else 0,
            late_seconds=state.late_seconds if state else 0.0,
            sampled=self._sampled,
            missing=tuple(missing[:shown]),
            missing_count=len(missing),
            extra=tuple(extra[:shown]),
            extra_count=len(extra),
            different=tuple(different[:shown]),
            different_count=len(different),
            unlisted_count=len(unlisted),
        )
        differing = [row.id for row in different[:most]]
        suspicious = frozenset((*missing[:most], *extra[:most], *differing))
        return Findings(
            verdict,
            started_us,
            missing=tuple(missing[:most]),
            extra=tuple(extra[:most]),
            different=tuple(differing),
            listed=tuple(self._listed),
            versions=await self._versions(suspicious),
            learned=self._learned,
        )

    async def _page(self, number: int) -> Page | Unavailable:
        size = self._env.sample or 1
        return await read_page(self._env.client, self._query, number=number, size=size, learned=self._learned)

    async def _another_page(self, total: int | None) -> list[Page]:
        """Rows from anywhere in the list: those of the first page alone would say little."""
        pages = -(-(total or 0) // (self._env.sample or 1))
        if pages < 2:
            return []
        page = await self._page(self._env.rng.randint(2, pages))
        return [page] if isinstance(page, Page) else []

    async def _compare(self, resources: Sequence[Any], observed_us: int) -> None:
        """Compare rows field by field; those that the warehouse lacks are missing."""
        records: dict[str, tuple[Any, Record]] = {}
        for resource in resources:
            record = self._normalizer.normalize(resource, observed_us, Drift())
            if isinstance(record, Record) and not self._env.keep_out.holds(self._name, record.id):
                records[record.id] = (resource, record)
        self._sampled += len(records)
        self._listed += list(records)[: _LISTED - len(self._listed)]
        stored = await self._stored(list(records))
        for id_, (resource, record) in records.items():
            row = stored.get(id_)
            if row is None:
                self._missing[id_] = None
                continue
            columns = self._comparer.differing(resource, record, row)
            if columns:
                synced = row.get(OwnColumn.SYNCED_AT)
                newer = isinstance(synced, int) and record.version.changed_us > synced
                self._different[id_] = RowDifference(id_, columns, newer=newer)

    async def _stored(self, ids: Sequence[str]) -> Mapping[str, Any]:
        """The rows, with the selected columns that the table has so far."""
        state = await self._env.warehouse.state(self._name)
        if state is None or not ids:
            return {}
        columns = tuple(
            (name, type_)
            for name, type_ in (*self._selected.typed_columns, *_OWN)
            if not state.columns or name in state.columns
        )
        return await self._env.warehouse.fetch(TableSchema(self._name, columns), ids)

    async def _compare_all(self) -> int:
        """Compare every row, page by page; returns how many there are in Productive."""
        seen = IdSet()
        async for step in walk(self._env.client, self._query, learned=self._learned):
            if isinstance(step, Unavailable):
                raise ProtocolError(f"{self._name}: {step.reason}")
            if step.restarted:
                self._sampled = 0
            await self._compare(step.resources, step.observed_us)
            seen.update(_ids(step.resources))
            self._learned = step.learned
        await self._find_extra(seen)
        return len(seen)

    async def _compare_ids(self) -> None:
        """Find the ids that the warehouse lacks, and those that Productive does not have."""
        query = ListQuery.of(self._selected.table, ["id"])
        stored, seen = IdSet(), IdSet()
        async for chunk in self._env.warehouse.ids(self._name):
            stored.update(chunk)
        async for step in walk(self._env.client, query, learned=self._learned):
            if isinstance(step, Unavailable):
                raise ProtocolError(f"{self._name}: {step.reason}")
            ids = _ids(step.resources)
            seen.update(ids)
            self._missing.update(dict.fromkeys(id_ for id_ in ids if self._lacks(id_, stored)))
        await self._find_extra(seen)

    def _lacks(self, id_: str, stored: IdSet) -> bool:
        return id_ not in stored and not self._env.keep_out.holds(self._name, id_)

    async def _find_extra(self, seen: IdSet) -> None:
        async for chunk in self._env.warehouse.ids(self._name):
            self._extra += [id_ for id_ in chunk if id_ not in seen]

    async def _unlisted(self) -> frozenset[str]:
        """Those of the rows that the list does not show which Productive has all the same.

        Lists leave out what is archived, a draft or a template; which of these is not known per endpoint.
        """
        if not self._extra:
            return frozenset()
        looker = Looker(self._env.client, self._selected, self._learned, reads=_MOST_READS)
        looked = await looker.look(self._extra[:_MOST_LOOKED], control=self._control)
        self._learned = looker.learned
        return frozenset(looked.found)

    async def _control(self) -> AsyncIterator[str]:
        for id_ in self._listed:
            yield id_

    async def _versions(self, ids: frozenset[str]) -> Mapping[str, Version]:
        if not ids:
            return {}
        found: dict[str, Version] = {}
        for kept in (self._env.warehouse.tombstones(self._name), self._env.warehouse.versions(self._name)):
            found |= await _chosen(kept, ids)
        return found


async def _chosen(
    versions: AsyncIterator[Sequence[StoredVersion]], ids: frozenset[str]
) -> Mapping[str, Version]:
    return {
        row.id: Version(row.changed_us, row.observed_us)
        async for chunk in versions
        for row in chunk
        if row.id in ids
    }


def _ids(resources: Sequence[Any]) -> list[str]:
    return [id_ for resource in resources if (id_ := identifier(resource)) is not None]
