"""The crawl of one table: page, normalize, publish, checkpoint, next page."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter

import msgspec

from services.backfill.checkpoint import Run, Status, TableCheckpoint
from services.backfill.environment import BackfillEnvironment
from shared.catalog.selection import SelectedTable
from shared.productive import Learned, ListQuery, Unavailable, WalkedPage, walk
from shared.record import Source
from shared.record.publishing import PagePublisher


class TableCrawl:
    """The crawl of one table in one run.

    A page counts as read only when all of its records are on the bus: a crawl that is killed in between
    reads that one page again, which is harmless because records are versioned.
    """

    def __init__(
        self, env: BackfillEnvironment, run: Run, selected: SelectedTable, answered: asyncio.Event
    ) -> None:
        """`answered` is set as soon as Productive has answered a request of this table in earnest."""
        self._env = env
        self._answered = answered
        self._run = run
        self._table = selected.table
        self._query = ListQuery.of(selected.table, [column.name for column in selected.columns])
        self._publisher = PagePublisher(
            selected,
            organization_id=env.organization_id,
            source=Source.BACKFILL,
            run_id=run.id,
            bus=env.bus,
            codec=env.codec,
        )
        self._plan = _fingerprint(selected)

    async def run(self) -> TableCheckpoint:
        """Crawl the table to its end, from where its checkpoint says; returns the last checkpoint."""
        checkpoint = await self._start()
        if checkpoint.status in (Status.DONE, Status.UNAVAILABLE):
            return checkpoint
        self._env.progress.table_started(checkpoint)
        pages = walk(self._env.client, self._query, start=checkpoint.position, learned=checkpoint.learned)
        async for step in pages:
            self._answered.set()
            if isinstance(step, Unavailable):
                checkpoint = self._ended(checkpoint, Status.UNAVAILABLE, reason=step.reason)
            else:
                checkpoint = await self._publish(checkpoint, step)
            await self._env.checkpoints.save_table(checkpoint)
            if checkpoint.status is Status.RUNNING:
                self._env.progress.page_published(checkpoint)
        self._env.progress.table_finished(checkpoint)
        return checkpoint

    async def fail(self, reason: str) -> TableCheckpoint:
        """Note that the table could not go on; its position stays, for the next run to resume."""
        checkpoint = await self._start()
        failed = msgspec.structs.replace(checkpoint, status=Status.FAILED, reason=reason)
        await self._env.checkpoints.save_table(failed)
        self._env.progress.table_finished(failed)
        return failed

    async def _start(self) -> TableCheckpoint:
        stored = await self._env.checkpoints.table(self._table.name)
        if stored and stored.run_id == self._run.id and stored.plan == self._plan:
            if stored.status is Status.FAILED:
                return msgspec.structs.replace(stored, status=Status.RUNNING, reason="")
            return stored
        return TableCheckpoint(
            table=self._table.name,
            run_id=self._run.id,
            plan=self._plan,
            status=Status.RUNNING,
            learned=stored.learned if stored else Learned(),
            expected=_last_count(stored),
            started_us=self._env.clock.now_us(),
        )

    async def _publish(self, checkpoint: TableCheckpoint, page: WalkedPage) -> TableCheckpoint:
        """Put one page on the bus; the checkpoint after it."""
        published = await self._publisher.publish(page.resources, page.observed_us)
        drift = published.drift
        before = _forget_counts(checkpoint) if page.restarted else checkpoint
        after = msgspec.structs.replace(
            before,
            position=page.next,
            learned=page.learned,
            pages=before.pages + 1,
            records=before.records + published.records,
            rejected=before.rejected + published.rejected,
            total=page.total if page.total is not None else before.total,
            settled=page.settled,
            unparsed=_added(before.unparsed, drift.unparsed),
            unknown=_added(
                before.unknown, Counter({f"{name}: {kind}": n for (name, kind), n in drift.unknown.items()})
            ),
        )
        return after if page.next else self._ended(after, Status.DONE)

    def _ended(self, checkpoint: TableCheckpoint, status: Status, *, reason: str = "") -> TableCheckpoint:
        return msgspec.structs.replace(
            checkpoint, status=status, reason=reason, position=None, finished_us=self._env.clock.now_us()
        )


def _fingerprint(selected: SelectedTable) -> str:
    """Changes whenever what is asked for changes: a position in another walk means nothing in this one."""
    plan = (selected.table.path, selected.table.params, selected.typed_columns)
    return hashlib.sha256(repr(plan).encode()).hexdigest()[:16]


def _last_count(stored: TableCheckpoint | None) -> int | None:
    if stored is None:
        return None
    return stored.records if stored.status is Status.DONE else stored.expected


def _forget_counts(checkpoint: TableCheckpoint) -> TableCheckpoint:
    """The walk began again from its first page: what was counted so far is read once more."""
    return msgspec.structs.replace(checkpoint, records=0, rejected=0, unparsed={}, unknown={})


def _added(counts: dict[str, int], more: Counter[str]) -> dict[str, int]:
    return dict(Counter(counts) + more)
