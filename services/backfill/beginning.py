"""How a table's crawl begins in a run: where its checkpoint says, or anew with a plan of its own."""

from __future__ import annotations

import hashlib

from services.backfill.checkpoint import Run, Status, TableCheckpoint
from services.backfill.plan import Coverage, Mode, Schedule, Scope, plan_table
from services.backfill.sightings import Sightings
from shared.catalog.selection import SelectedTable
from shared.clock import MICROSECONDS
from shared.productive import Learned

ENDED = (Status.DONE, Status.UNAVAILABLE)


def fingerprint_of(selected: SelectedTable) -> str:
    """Changes whenever what is asked for changes: a position in another walk means nothing in this one."""
    asked = selected.shape
    return hashlib.sha256(repr(asked).encode()).hexdigest()[:16]


def goes_on(stored: TableCheckpoint | None, run: Run, fingerprint: str, scope: Scope, *, named: bool) -> bool:
    """Whether a checkpoint is one to go on from.

    A table that was `named` is read in any case, and as it was asked for.
    """
    if stored is None or stored.run_id != run.id or stored.fingerprint != fingerprint:
        return False
    if not named:
        return True
    fits = scope.mode is Mode.AUTO or (scope.mode is Mode.FULL and stored.plan.full)
    return fits and stored.status not in ENDED


def begun(
    stored: TableCheckpoint | None,
    run: Run,
    selected: SelectedTable,
    scope: Scope,
    schedule: Schedule,
    *,
    now_us: int,
    server_now_us: int,
) -> TableCheckpoint:
    """The checkpoint of a table that begins anew, after the one of an earlier run, if there was one.

    `now_us` is our clock, `server_now_us` Productive's.
    """
    fingerprint = fingerprint_of(selected)
    coverage = stored.coverage if stored else Coverage()
    learned, learned_us = stored.learned if stored else Learned(), stored.learned_us if stored else now_us
    old = now_us - learned_us >= schedule.retry_refused_seconds * MICROSECONDS
    trying_again = old and bool(learned.refused_includes)
    if old or learned == Learned():
        learned, learned_us = Learned(restless=learned.restless), now_us
    expected = _last_count(stored)
    plan = plan_table(
        selected.table,
        scope,
        coverage,
        learned,
        fingerprint=fingerprint,
        now_us=server_now_us,
        schedule=schedule,
        rows=expected,
        trying_again=trying_again,
    )
    known = stored.sightings if stored and stored.fingerprint == fingerprint and not plan.full else None
    return TableCheckpoint(
        table=selected.name,
        run_id=run.id,
        fingerprint=fingerprint,
        plan=plan,
        status=Status.RUNNING,
        learned=learned,
        learned_us=learned_us,
        coverage=coverage,
        sightings=known or Sightings(),
        expected=expected,
        started_us=now_us,
    )


def _last_count(stored: TableCheckpoint | None) -> int | None:
    if stored is None:
        return None
    return stored.records if stored.status is Status.DONE and stored.plan.full else stored.expected
