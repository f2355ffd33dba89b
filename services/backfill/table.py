"""The crawl of one table: page, normalize, publish, checkpoint, next page."""

from __future__ import annotations

import asyncio
from collections import Counter

import msgspec

from services.backfill.beginning import ENDED, begun, fingerprint_of, goes_on
from services.backfill.checkpoint import Run, Status, TableCheckpoint
from services.backfill.environment import BackfillEnvironment, ComparisonOutcome
from services.backfill.newest_first import in_order, news, reaches
from services.backfill.plan import Plan, Scope, replan
from services.backfill.seen import SeenIds
from services.backfill.sightings import Sightings
from shared.catalog.selection import SelectedTable
from shared.productive import ListQuery, Unavailable, WalkedPage, changed_between, walk
from shared.productive.jsonapi import identifier
from shared.record import Source
from shared.record.publishing import PagePublisher
from shared.telemetry import tracing


class TableCrawl:
    """The crawl of one table in one run.

    A page counts as read only when all of its records are on the bus: a crawl that is killed in between
    reads that one page again, which is harmless because records are versioned.
    """

    def __init__(
        self,
        env: BackfillEnvironment,
        run: Run,
        selected: SelectedTable,
        answered: asyncio.Event,
        *,
        scope: Scope,
        named: bool,
    ) -> None:
        """`answered` is set as soon as Productive has answered a request of this table in earnest.

        `named`: a person asked for this very table, so it is read even if this run has read it already.
        """
        self._env = env
        self._answered = answered
        self._run = run
        self._selected = selected
        self._scope = scope
        self._named = named
        self._publisher = PagePublisher(
            selected,
            organization_id=env.organization_id,
            source=Source.BACKFILL,
            run_id=run.id,
            bus=env.bus,
            codec=env.codec,
        )
        self._seen: SeenIds = env.checkpoints.seen(run.id, selected.name)
        self._current: TableCheckpoint | None = None

    async def run(self) -> TableCheckpoint:
        """Crawl the table to its end, from where its checkpoint says; returns the last checkpoint."""
        checkpoint = self._current = await self._start()
        if checkpoint.status in ENDED:
            return checkpoint
        self._env.progress.table_started(checkpoint)
        while checkpoint.status is Status.RUNNING:
            checkpoint = await self._walk(checkpoint)
        if checkpoint.finished_us is not None and self._compares(checkpoint.plan):
            await self._seen.clear()
        self._env.progress.table_finished(checkpoint)
        return checkpoint

    async def fail(self, reason: str) -> TableCheckpoint:
        """Note that the table could not go on; its position stays, for the next run to resume."""
        checkpoint = self._current or await self._start()
        failed = msgspec.structs.replace(checkpoint, status=Status.FAILED, reason=reason)
        await self._env.checkpoints.save_table(failed)
        self._env.progress.table_finished(failed)
        return failed

    async def _start(self) -> TableCheckpoint:
        stored = await self._env.checkpoints.table(self._selected.name)
        fingerprint = fingerprint_of(self._selected)
        if stored and goes_on(stored, self._run, fingerprint, self._scope, named=self._named):
            failed = stored.status is Status.FAILED
            return msgspec.structs.replace(stored, status=Status.RUNNING, reason="") if failed else stored
        checkpoint = begun(
            stored,
            self._run,
            self._selected,
            self._scope,
            self._env.schedule,
            now_us=self._env.clock.now_us(),
            server_now_us=self._env.client.server_clock.now_us(),
        )
        if self._compares(checkpoint.plan):
            await self._seen.clear()
        return msgspec.structs.replace(checkpoint, ids_kept=self._compares(checkpoint.plan))

    async def _walk(self, checkpoint: TableCheckpoint) -> TableCheckpoint:
        """Read one window of the plan to its end; or another plan, when its endpoint refuses this one."""
        query = _query(self._selected, checkpoint)
        pages = walk(self._env.client, query, start=checkpoint.position, learned=checkpoint.learned)
        async for step in pages:
            self._answered.set()
            if isinstance(step, Unavailable):
                checkpoint = self._ended(checkpoint, Status.UNAVAILABLE, reason=step.reason)
            elif (other := self._replanned(checkpoint, step)) is not None:
                return other
            else:
                checkpoint = await self._publish(checkpoint, step)
            await self._env.checkpoints.save_table(checkpoint)
            self._current = checkpoint
            if checkpoint.status is not Status.RUNNING:
                break
            self._env.progress.page_published(checkpoint)
            if checkpoint.position is None:
                break
        return checkpoint

    def _replanned(self, checkpoint: TableCheckpoint, page: WalkedPage) -> TableCheckpoint | None:
        """The checkpoint to begin anew with, where a page shows that the plan cannot be carried out."""
        learned, sort = page.learned, checkpoint.plan.sort
        if sort is not None and not in_order(page.resources, sort):
            learned = learned.without(sorts=(sort,))
        plan, learned = replan(checkpoint.plan, self._selected.table, checkpoint.learned, learned)
        if plan == checkpoint.plan:
            return None
        self._current = msgspec.structs.replace(
            _forget_counts(checkpoint),
            plan=plan,
            learned=learned,
            window=0,
            position=None,
            first_us=None,
            pages=0,
            ids_kept=self._compares(plan),
        )
        return self._current

    async def _publish(self, checkpoint: TableCheckpoint, page: WalkedPage) -> TableCheckpoint:
        """Put one page on the bus; the checkpoint after it."""
        resources, plan = page.resources, checkpoint.plan
        if plan.sort is not None and plan.since_us is not None:
            resources = news(resources, plan.sort, plan.since_us)
        published = await self._publisher.publish(resources, page.observed_us)
        tracing.event("page", {"productive.records": published.records})
        ids_kept = checkpoint.ids_kept and self._compares(plan)
        if ids_kept:
            ids = (identifier(resource) for resource in page.resources)
            await self._seen.add([id_ for id_ in ids if id_ is not None])
        drift = published.drift
        before = _forget_counts(checkpoint) if page.restarted else checkpoint
        passed = _passed(plan, page)
        after = msgspec.structs.replace(
            before,
            position=None if passed else page.next,
            first_us=page.observed_us if before.first_us is None else before.first_us,
            learned=page.learned,
            pages=before.pages + 1,
            ids_kept=ids_kept,
            records=before.records + published.records,
            rejected=before.rejected + published.rejected,
            total=page.total if page.total is not None else before.total,
            settled=before.settled and page.settled and not (passed and _disturbed(page)),
            sightings=before.sightings.after(self._selected, published.records, drift),
            unparsed=_added(before.unparsed, drift.unparsed),
            unknown=_added(
                before.unknown, Counter({f"{name}: {kind}": n for (name, kind), n in drift.unknown.items()})
            ),
        )
        return after if after.position else await self._after_window(after)

    async def _after_window(self, checkpoint: TableCheckpoint) -> TableCheckpoint:
        if checkpoint.window < len(checkpoint.plan.borders):
            return msgspec.structs.replace(checkpoint, window=checkpoint.window + 1)
        done = self._ended(checkpoint, Status.DONE)
        if not checkpoint.settled or checkpoint.first_us is None:
            return done
        coverage = checkpoint.coverage.after(checkpoint.plan, checkpoint.first_us, checkpoint.fingerprint)
        compared = await self._compare(checkpoint, checkpoint.first_us)
        return msgspec.structs.replace(
            done,
            coverage=coverage,
            deleted=compared.deleted,
            held_back=compared.held_back,
            held_back_reason=compared.reason,
        )

    async def _compare(self, checkpoint: TableCheckpoint, started_us: int) -> ComparisonOutcome:
        comparison = self._env.comparison
        if comparison is None or not checkpoint.ids_kept:
            return ComparisonOutcome()
        return await comparison.compare(self._selected, self._seen, self._run.id, started_us)

    def _compares(self, plan: Plan) -> bool:
        return plan.full and self._env.comparison is not None

    def _ended(self, checkpoint: TableCheckpoint, status: Status, *, reason: str = "") -> TableCheckpoint:
        return msgspec.structs.replace(
            checkpoint, status=status, reason=reason, position=None, finished_us=self._env.clock.now_us()
        )


def _query(selected: SelectedTable, checkpoint: TableCheckpoint) -> ListQuery:
    """What is asked for in the checkpoint's window of its plan."""
    plan, columns = checkpoint.plan, [column.name for column in selected.columns]
    if plan.filter is not None:
        filters = changed_between(plan.filter, *plan.window(checkpoint.window))
        return ListQuery.of(selected.table, columns, filters=filters, exact_times=True)
    return ListQuery.of(selected.table, columns, sort=f"-{plan.sort}" if plan.sort else None)


def _passed(plan: Plan, page: WalkedPage) -> bool:
    """Whether a list from the latest change backwards has come to what is known already."""
    if plan.sort is None or plan.since_us is None:
        return False
    return reaches(page.resources, plan.sort, plan.since_us)


def _disturbed(page: WalkedPage) -> bool:
    """Whether the list changed under a walk by page numbers that is ended after this page."""
    return page.next is not None and page.next.disturbed


def _forget_counts(checkpoint: TableCheckpoint) -> TableCheckpoint:
    """The walk began again from its first page: what was counted so far is read once more."""
    sightings = Sightings() if checkpoint.plan.full else checkpoint.sightings
    return msgspec.structs.replace(
        checkpoint, records=0, rejected=0, unparsed={}, unknown={}, sightings=sightings
    )


def _added(counts: dict[str, int], more: Counter[str]) -> dict[str, int]:
    return dict(Counter(counts) + more)
