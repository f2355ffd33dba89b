"""The crawl of an organization: its tables side by side, under one lease, resumed where a killed run was."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from services.backfill.checkpoint import Run, Status, TableCheckpoint
from services.backfill.environment import BackfillEnvironment
from services.backfill.plan import Scope
from services.backfill.table import TableCrawl
from services.backfill.together import worst
from shared.catalog.selection import SelectedTable
from shared.clock import MICROSECONDS
from shared.errors import IngestError, ProtocolError, UnreachableError
from shared.objects.lease import hold_lease
from shared.telemetry import tracing

log = logging.getLogger(__name__)

RESUMABLE_SECONDS = 24 * 3600.0
_MOST_FAILURES = 3


@dataclass(frozen=True)
class CrawlOutcome:
    """What a crawl came to. `complete` when every table has an end, be it that it is unavailable."""

    run: Run
    resumed: bool
    tables: Sequence[TableCheckpoint]
    seconds: float

    @property
    def complete(self) -> bool:
        """Whether no table failed."""
        return all(table.status is not Status.FAILED for table in self.tables)


async def crawl(
    env: BackfillEnvironment, *, scope: Scope | None = None, fresh: bool = False, partial: bool = False
) -> CrawlOutcome:
    """Crawl all tables as far as `scope` says, which is what they need if nothing else is asked for.

    An unfinished run is resumed when it does what is asked for, unless `fresh` starts a new one.
    `partial`: these tables were named, and are not all that are usually crawled. They are read whatever
    an unfinished crawl of all has read of them, and that one is left to be resumed.

    A table that fails by itself is left for the next attempt, which takes up the same run; an attempt that
    gets no further ends it, because the tables that were read meanwhile are not to grow old for the sake of
    one that cannot be read. Raises `OwnerError` when a person has to act, `UnreachableError` when
    Productive does not answer at all.
    """
    started = env.clock.monotonic()
    what = "a crawl of this organization"
    async with hold_lease(env.objects, env.checkpoints.lease_name, env.clock, what=what):
        asked = scope or Scope()
        run, resumed = await _start(env, asked, fresh=fresh, partial=partial)
        attempt = _Crawl(env, run, asked if partial else run.scope, named=partial)
        attributes: tracing.Attributes = {"productive.run_id": run.id, "productive.resumed": resumed}
        with tracing.span("crawl", attributes=attributes) as span:
            try:
                tables = await attempt.tables()
            finally:
                await env.checkpoints.flush()
            span.set({"productive.records": sum(table.records for table in tables)})
        ended = all(table.status is not Status.FAILED for table in tables) or not attempt.moved(tables)
        if ended and set(run.tables) <= set(env.tables):
            run = msgspec.structs.replace(run, finished_us=env.clock.now_us())
            await env.checkpoints.save_run(run)
    return CrawlOutcome(run, resumed, tables, env.clock.monotonic() - started)


async def _start(env: BackfillEnvironment, asked: Scope, *, fresh: bool, partial: bool) -> tuple[Run, bool]:
    now_us = env.clock.now_us()
    last = await env.checkpoints.run()
    names = list(env.tables)
    young = last is not None and now_us - last.started_us < RESUMABLE_SECONDS * MICROSECONDS
    unfinished = last is not None and last.finished_us is None and young and not fresh
    if last is not None and unfinished and (partial or last.scope.covers(asked)):
        run, resumed = (last if partial else msgspec.structs.replace(last, tables=names)), True
    else:
        run, resumed = _new_run(env, names, asked, now_us), False
        await env.checkpoints.forget_seen(run.id)
    await env.checkpoints.save_run(run)
    return run, resumed


def _new_run(env: BackfillEnvironment, names: list[str], scope: Scope, now_us: int) -> Run:
    moment = datetime.fromtimestamp(now_us / MICROSECONDS, UTC)
    return Run(
        id=f"{moment:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}",
        organization_id=env.organization_id,
        started_us=now_us,
        tables=names,
        scope=scope,
    )


class _Crawl:
    """Runs the tables of one run, and gives up when nothing works at all."""

    def __init__(self, env: BackfillEnvironment, run: Run, scope: Scope, *, named: bool) -> None:
        self._env = env
        self._run = run
        self._scope = scope
        self._named = named
        self._slots = asyncio.Semaphore(env.concurrency)
        self._succeeded = 0
        self._failed = 0
        self._answered = asyncio.Event()
        self._before: dict[str, TableCheckpoint] = {}

    async def tables(self) -> list[TableCheckpoint]:
        """All tables' last checkpoints, in the order of the selection."""
        first, *rest = await self._largest_first()
        try:
            async with asyncio.TaskGroup() as group:
                tasks = {first.name: group.create_task(self._one(first))}
                # One request alone: a wrong token or a dead network costs one request and gives one message.
                await self._answered.wait()
                tasks |= {table.name: group.create_task(self._one(table)) for table in rest}
        except* IngestError as errors:
            raise worst(errors) from None
        return [tasks[name].result() for name in self._env.tables]

    def moved(self, tables: Sequence[TableCheckpoint]) -> bool:
        """Whether any table got further than it was before this attempt."""
        pages = {name: checkpoint.pages for name, checkpoint in self._before.items()}
        ended = {name for name, checkpoint in self._before.items() if checkpoint.finished_us is not None}
        return any(
            table.pages > pages.get(table.table, 0)
            or (table.finished_us is not None and table.table not in ended)
            for table in tables
        )

    async def _largest_first(self) -> list[SelectedTable]:
        """The longest walk decides when the crawl ends, so it begins first; known from the last run."""
        sizes = {}
        for name in self._env.tables:
            checkpoint = await self._env.checkpoints.table(name)
            if checkpoint and checkpoint.run_id == self._run.id:
                self._before[name] = checkpoint
            sizes[name] = checkpoint.expected or checkpoint.records if checkpoint else 0
        return sorted(self._env.tables.values(), key=lambda table: -sizes[table.name])

    async def _one(self, table: SelectedTable) -> TableCheckpoint:
        async with self._slots:
            table_crawl = TableCrawl(
                self._env, self._run, table, self._answered, scope=self._scope, named=self._named
            )
            try:
                with tracing.span("crawl table", attributes={"productive.table": table.name}) as span:
                    checkpoint = await table_crawl.run()
                    span.set(
                        {
                            "productive.pages": checkpoint.pages,
                            "productive.records": checkpoint.records,
                            "productive.status": checkpoint.status.value,
                        }
                    )
            except (ProtocolError, UnreachableError) as error:
                self._failed += 1
                if self._nothing_works():
                    raise
                log.warning("%s failed: %s", table.name, error)
                checkpoint = await table_crawl.fail(error.message)
            else:
                self._succeeded += 1
            self._answered.set()
            return checkpoint

    def _nothing_works(self) -> bool:
        never_met = not self._env.client.has_met
        return never_met or (not self._succeeded and self._failed >= _MOST_FAILURES)
