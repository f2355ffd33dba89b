"""Heals a time in which webhooks did not arrive: what failed is taken from Productive's log, and what
changed meanwhile is read again."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from services.ingest.webhooks.changed import Deletions, Reread, replay_deletions, reread_changed
from services.ingest.webhooks.environment import ReplayEnvironment
from services.ingest.webhooks.failed import Failed, replay_failed
from shared.clock import MICROSECONDS

DEFAULT_SINCE = "48h"
"""Productive gives up on a delivery after about two days (documented)."""


@dataclass(frozen=True)
class Replayed:
    """What a replay published; the tables are empty when only failed deliveries were asked for."""

    since_us: int
    run_id: str
    failed: Failed
    tables: Sequence[Reread] = ()
    deletions: Deletions | None = None

    @property
    def complete(self) -> bool:
        """Whether everything that was to be read could be read."""
        problems = [self.failed.problem, *(table.problem for table in self.tables)]
        return not any(problems) and not (self.deletions and self.deletions.problem)


async def replay(env: ReplayEnvironment, since_us: int, *, failed_only: bool = False) -> Replayed:
    """Publish what may have been missed since then. May be repeated, and run beside everything else.

    Deliveries go onto the intake bus, records onto the record bus; both are durable when this returns.
    Raises what the client and the buses raise; then run it again.
    """
    moment = datetime.fromtimestamp(env.clock.now_us() / MICROSECONDS, UTC)
    run_id = f"replay-{moment:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    failed = await replay_failed(env, since_us)
    if failed_only:
        return Replayed(since_us, run_id, failed)
    fed = [selected for selected in env.tables.values() if selected.table.events]
    tables = [await reread_changed(env, selected, since_us, run_id) for selected in fed]
    # Last, so that a record which was deleted while its table was read is not forgotten.
    deletions = await replay_deletions(env, since_us, run_id)
    return Replayed(since_us, run_id, failed, tables, deletions)
