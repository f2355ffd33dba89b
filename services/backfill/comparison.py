"""Compares a complete walk of a table with the warehouse: what is gone is deleted, what is hidden is mended.

Three kinds of rows are looked at again, by their ids, before anything is said about them:

- those that the warehouse has from before the walk and the walk did not see. What Productive does not have
  any more is deleted; what it has, and just does not list, is published as it is, once a day;
- those that are deleted in the warehouse and that the walk saw all the same: they were restored. Their own
  change time is from before the deletion, so they get a version that outdoes it;
- those that are still as they were before the walk that was compared last, although this one saw them: their
  version is larger than what is read of them (they were restored, or a clock was wrong). They are mended in
  the same way, which keeps a record that came back from growing old until its next change.

Everything goes through the bus. Doing all of it twice ends in the same rows.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Final

import msgspec

from services.backfill.brake import Brake
from services.backfill.compared import Compared, ComparedStore
from services.backfill.corrections import Corrections
from services.backfill.environment import ComparisonOutcome
from services.backfill.held import HeldDeletions, HeldStore
from services.backfill.looking import Looked, Looker
from services.backfill.seen import IdSet, SeenIds
from services.backfill.suspects import Suspects, find_suspects
from shared.bus.port import Bus
from shared.catalog.selection import SelectedTable
from shared.clock import MICROSECONDS
from shared.objects.port import Objects
from shared.productive import ProductiveClient
from shared.record import Version
from shared.record.codec import BatchCodec
from shared.warehouse.port import StoredVersion, Warehouse

_SAMPLE: Final = 200
_SAMPLE_READS: Final = 20
_SHOWN_IDS: Final = 20
_CONTROLS: Final = 3
_MOST_UNLISTED: Final = 10_000
_UNLISTED_US: Final = 86_400 * MICROSECONDS
"""How long a record that is there and is not listed is not looked at again. Most tables are read as a whole
in each crawl, which would otherwise cost a request for each such record every time."""


@dataclass(frozen=True, slots=True)
class ComparisonRules:
    """How far a comparison may go. `reads` bounds the requests for single records, per table.

    500 of them take about a minute of Productive's limits. Which records are read is left to chance: where
    all 500 are gone, the list is believed about the others too. Were it wrong about one in a hundred of
    them, that would be found out 149 times in 150. Where only one is still there it is believed about none.
    """

    brake: Brake = field(default_factory=Brake)
    reads: int = 500


@dataclass(frozen=True, slots=True)
class _Walk:
    """A complete walk, and what is at hand to compare it."""

    table: SelectedTable
    seen: IdSet
    run_id: str
    started_us: int
    before_us: int | None
    looker: Looker
    corrections: Corrections
    unlisted: dict[str, int]


class WarehouseComparison:
    """See `services.backfill.environment.Comparison`; for one organization.

    Raises what the client (but `ProtocolError`), the warehouse, the objects and the bus raise; what was
    published before holds, and it may be done again.
    """

    def __init__(
        self,
        *,
        client: ProductiveClient,
        warehouse: Warehouse,
        bus: Bus,
        codec: BatchCodec,
        objects: Objects,
        organization_id: str,
        rules: ComparisonRules | None = None,
    ) -> None:
        self._client = client
        self._warehouse = warehouse
        self._bus = bus
        self._codec = codec
        self._organization_id = organization_id
        self._rules = rules or ComparisonRules()
        self._held = HeldStore(objects, organization_id)
        self._compared = ComparedStore(objects, organization_id)

    async def compare(
        self, table: SelectedTable, seen: SeenIds, run_id: str, started_us: int
    ) -> ComparisonOutcome:
        """See `Comparison.compare`."""
        compared = await self._compared.begin(table.name, run_id, started_us)
        if not compared.ended:
            compared = await self._compare(compared, table, await seen.all())
            await self._compared.save(table.name, compared)
        if not compared.held_back:
            await self._held.release(table.name)
        return ComparisonOutcome(compared.deleted, compared.held_back, compared.reason)

    async def _compare(self, compared: Compared, table: SelectedTable, seen: IdSet) -> Compared:
        suspects = await find_suspects(
            self._warehouse,
            table.name,
            seen,
            started_us=compared.started_us,
            before_us=compared.before_us,
        )
        looker = Looker(self._client, table, compared.learned, reads=self._rules.reads)
        corrections = Corrections(self._bus, self._codec, self._organization_id, compared.run_id)
        missed = {row.id for row in suspects.missed}
        unlisted = {id_: read_us for id_, read_us in compared.unlisted.items() if id_ in missed}
        walk = _Walk(
            table=table,
            seen=seen,
            run_id=compared.run_id,
            started_us=compared.started_us,
            before_us=compared.before_us,
            looker=looker,
            corrections=corrections,
            unlisted=unlisted,
        )
        outcome = await self._settle_missed(walk, suspects)
        looked = await self._look(walk, list(suspects.hidden))
        await corrections.upsert(table, looked.found.values(), suspects.hidden)
        return msgspec.structs.replace(
            compared,
            learned=looker.learned,
            unlisted=dict(heapq.nlargest(_MOST_UNLISTED, unlisted.items(), key=itemgetter(1))),
            ended=True,
            deleted=outcome.deleted,
            held_back=outcome.held_back,
            reason=outcome.reason,
        )

    async def _settle_missed(self, walk: _Walk, suspects: Suspects) -> ComparisonOutcome:
        """Delete the missed rows that are gone, unless they are too many."""
        since_us = walk.started_us - _UNLISTED_US
        rows = {row.id: row for row in suspects.missed if walk.unlisted.get(row.id, -1) < since_us}
        if not rows:
            return ComparisonOutcome()
        ids = _shuffled(rows, walk)
        count = suspects.missed_count - len(suspects.missed) + len(rows)
        most = await self._most(walk.table.name, suspects.rows)
        if count > most:
            # A list that lost everything must not cost a request for each of its records.
            sample = await self._look(walk, ids[:_SAMPLE], most_reads=_SAMPLE_READS)
            if not sample.found:
                return await self._hold(walk, suspects.rows, ids, count)
        looked = await self._look(walk, ids)
        hidden_by = {row.id: Version(row.changed_us, row.observed_us) for row in _old(rows, walk.before_us)}
        await walk.corrections.upsert(walk.table, looked.found.values(), hidden_by)
        walk.unlisted.update((id_, found.observed_us) for id_, found in looked.found.items())
        for id_ in looked.gone:
            walk.unlisted.pop(id_, None)
        doubtful = looked.unread if walk.unlisted else []
        gone = looked.gone if walk.unlisted else [*looked.gone, *looked.unread]
        if len(gone) > most:
            return await self._hold(walk, suspects.rows, gone, len(gone))
        deletions = ((id_, _deletion(rows[id_], walk.started_us)) for id_ in gone)
        deleted = await walk.corrections.delete(walk.table.name, deletions)
        return _outcome(deleted, looked, len(doubtful), over=count - len(ids))

    async def _look(self, walk: _Walk, ids: Sequence[str], *, most_reads: int | None = None) -> Looked:
        def control() -> AsyncIterator[str]:
            return self._controls(walk)

        return await walk.looker.look(ids, control=control, most_reads=most_reads)

    async def _controls(self, walk: _Walk) -> AsyncIterator[str]:
        """A few ids that the walk saw."""
        left = _CONTROLS
        async for chunk in self._warehouse.ids(walk.table.name):
            for id_ in chunk:
                if id_ in walk.seen:
                    yield id_
                    left -= 1
                if not left:
                    return

    async def _most(self, table: str, rows: int) -> int:
        """How many rows may go unasked, or were confirmed: those, and a few that may have gone since."""
        most = self._rules.brake.most(rows)
        held = await self._held.of(table)
        return max(most, held.count + self._rules.brake.rows) if held and held.confirmed else most

    async def _hold(self, walk: _Walk, rows: int, ids: Sequence[str], count: int) -> ComparisonOutcome:
        table = walk.table.name
        held = HeldDeletions(
            table=table,
            run_id=walk.run_id,
            held_us=self._client.server_clock.now_us(),
            rows=rows,
            count=count,
            ids=tuple(sorted(ids[:_SHOWN_IDS])),
        )
        await self._held.hold(held)
        return ComparisonOutcome(0, count, held.reason)


def _shuffled(rows: dict[str, StoredVersion], walk: _Walk) -> list[str]:
    """The ids in an order that is left to chance, and is the same when it is all done again."""
    ids = sorted(rows)
    random.Random(f"{walk.run_id} {walk.table.name}").shuffle(ids)  # noqa: S311 -- a sample, no secret
    return ids


def _old(rows: Mapping[str, StoredVersion], before_us: int | None) -> Iterable[StoredVersion]:
    """The rows from before the walk that was compared last: no answer of then can be on its way still."""
    return (row for row in rows.values() if before_us is not None and row.observed_us < before_us)


def _deletion(row: StoredVersion, started_us: int) -> Version:
    """Larger than the version of the row, and smaller than that of anything that happened since the walk."""
    return Version(max(row.changed_us, started_us), started_us)


def _outcome(deleted: int, looked: Looked, doubtful: int, *, over: int) -> ComparisonOutcome:
    """What was not deleted, and why."""
    reasons = []
    if looked.unclear:
        why = next(iter(looked.reasons))
        reasons.append(
            f"Productive lists {len(looked.unclear):,} rows no more, and asked for one says: {why}"
        )
    if doubtful:
        reasons.append(
            f"Productive lists {doubtful:,} rows no more, too many to be read one by one, and others that it "
            "does not list either are there"
        )
    if over:
        reasons.append(f"the next full crawl compares {over:,} more rows")
    return ComparisonOutcome(deleted, len(looked.unclear) + doubtful + over, "; ".join(reasons))
