"""What a crawl came to, as plain data for `--json`, for people, and for `status`."""

from __future__ import annotations

import msgspec

from services.backfill.checkpoint import Status, TableCheckpoint
from services.backfill.crawl import CrawlOutcome


class TableSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One table: `records` were read in `pages`; `rejected` of them went to the dead letters."""

    status: Status
    records: int
    pages: int
    rejected: int
    settled: bool
    reason: str
    unparsed: dict[str, int]
    unknown: dict[str, int]
    includes_refused: tuple[str, ...]


class CrawlSummary(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. `requests` counts what was sent to Productive by this process, retries included."""

    run_id: str
    complete: bool
    resumed: bool
    seconds: float
    requests: int
    records: int
    tables: dict[str, TableSummary]

    @property
    def readable(self) -> bool:
        """Whether any table could be read: if none could, the address or the token is the wrong one."""
        return any(table.status is not Status.UNAVAILABLE for table in self.tables.values())


def summarize(outcome: CrawlOutcome, requests: int) -> CrawlSummary:
    """The summary of an outcome."""
    return CrawlSummary(
        run_id=outcome.run.id,
        complete=outcome.complete,
        resumed=outcome.resumed,
        seconds=round(outcome.seconds, 3),
        requests=requests,
        records=sum(table.records for table in outcome.tables),
        tables={table.table: summarize_table(table) for table in outcome.tables},
    )


def summarize_table(checkpoint: TableCheckpoint) -> TableSummary:
    """One table's part."""
    return TableSummary(
        status=checkpoint.status,
        records=checkpoint.records,
        pages=checkpoint.pages,
        rejected=checkpoint.rejected,
        settled=checkpoint.settled,
        reason=checkpoint.reason,
        unparsed=checkpoint.unparsed,
        unknown=checkpoint.unknown,
        includes_refused=checkpoint.learned.refused_includes,
    )
