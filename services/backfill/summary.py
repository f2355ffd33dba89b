"""What a crawl came to, as plain data for `--json`, for people, and for `status`."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from services.backfill.checkpoint import Status, TableCheckpoint
from services.backfill.crawl import CrawlOutcome
from services.backfill.plan import Plan
from services.backfill.recycle_bin import BinOutcome
from shared.clock import MICROSECONDS


class TableSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One table: `records` were read in `pages`; `rejected` of them went to the dead letters.

    `plan` says in words what was read: the whole table and why, or what changed since, which is then
    `changed_since` (ISO 8601). `deleted` rows were found to be gone from Productive; `held_back` ones too,
    but they stay for the reason given.
    """

    status: Status
    plan: str
    changed_since: str | None
    records: int
    pages: int
    rejected: int
    settled: bool
    reason: str
    deleted: int
    held_back: int
    held_back_reason: str
    unparsed: dict[str, int]
    unknown: dict[str, int]
    includes_refused: tuple[str, ...]


class CrawlSummary(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. `requests` counts what was sent to Productive by this process, retries included.

    `recycle_bin` is what the look into it came to; None where only some tables were read.
    """

    run_id: str
    complete: bool
    resumed: bool
    seconds: float
    requests: int
    records: int
    tables: dict[str, TableSummary]
    recycle_bin: BinOutcome | None = None

    @property
    def readable(self) -> bool:
        """Whether any table could be read: if none could, the address or the token is the wrong one."""
        return any(table.status is not Status.UNAVAILABLE for table in self.tables.values())


def summarize(outcome: CrawlOutcome, requests: int, recycle_bin: BinOutcome | None = None) -> CrawlSummary:
    """The summary of an outcome."""
    return CrawlSummary(
        run_id=outcome.run.id,
        complete=outcome.complete,
        resumed=outcome.resumed,
        seconds=round(outcome.seconds, 3),
        requests=requests,
        records=sum(table.records for table in outcome.tables),
        tables={table.table: summarize_table(table) for table in outcome.tables},
        recycle_bin=recycle_bin,
    )


def summarize_table(checkpoint: TableCheckpoint) -> TableSummary:
    """One table's part."""
    return TableSummary(
        status=checkpoint.status,
        plan=describe_plan(checkpoint.plan),
        changed_since=_iso(checkpoint.plan.since_us),
        records=checkpoint.records,
        pages=checkpoint.pages,
        rejected=checkpoint.rejected,
        settled=checkpoint.settled,
        reason=checkpoint.reason,
        deleted=checkpoint.deleted,
        held_back=checkpoint.held_back,
        held_back_reason=checkpoint.held_back_reason,
        unparsed=checkpoint.unparsed,
        unknown=checkpoint.unknown,
        includes_refused=checkpoint.learned.refused_includes,
    )


def describe_plan(plan: Plan) -> str:
    """`changed since 2026-11-21 09:00 UTC`, or `whole (due again)`."""
    if plan.since_us is None:
        return f"whole ({plan.reason})" if plan.reason else "whole"
    return f"changed since {_moment(plan.since_us):%Y-%m-%d %H:%M} UTC"


def _iso(us: int | None) -> str | None:
    return None if us is None else _moment(us).isoformat(timespec="seconds")


def _moment(us: int) -> datetime:
    return datetime.fromtimestamp(us / MICROSECONDS, UTC)
