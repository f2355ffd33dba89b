"""Checkpoints of one table, for those who look at a crawl's progress."""

from __future__ import annotations

from services.backfill.checkpoint import Status, TableCheckpoint
from services.backfill.plan import Plan
from shared.productive.learned import Learned


def checkpoint(
    *,
    pages: int = 0,
    records: int = 0,
    rejected: int = 0,
    status: Status = Status.RUNNING,
    finished_us: int | None = None,
) -> TableCheckpoint:
    """A checkpoint of the table `deals`."""
    return TableCheckpoint(
        table="deals",
        run_id="run",
        fingerprint="",
        plan=Plan(),
        status=status,
        learned=Learned(),
        pages=pages,
        records=records,
        rejected=rejected,
        finished_us=finished_us,
    )
