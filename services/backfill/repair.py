"""Mends what verification found: rows are read again by id, and those that are gone are deleted.

Everything is published like a crawl's records, and wins by its version. What is found is given a version that
outdoes the row's (or its deletion's), because a row that is wrong may well have the right version.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import msgspec

from services.backfill.brake import Brake
from services.backfill.corrections import Corrections
from services.backfill.looking import Looker
from services.backfill.together import first_alone
from services.backfill.verdict import Findings
from shared.bus.port import Bus
from shared.catalog.selection import SelectedTable
from shared.errors import IngestError, OwnerError
from shared.productive import ProductiveClient
from shared.record import Version
from shared.record.codec import BatchCodec

_MOST_READS = 2_000


@dataclass(frozen=True)
class RepairEnvironment:
    """What a repair may touch; `run_id` marks the rows that it writes."""

    client: ProductiveClient
    bus: Bus
    codec: BatchCodec
    organization_id: str
    run_id: str
    tables: Mapping[str, SelectedTable]
    brake: Brake = field(default_factory=Brake)
    reads: int = _MOST_READS


class Repair(msgspec.Struct, frozen=True, kw_only=True):
    """One table: how many rows were published as they are now, and how many as deleted.

    `left` rows are as they were, for the reasons in `problem`.
    """

    table: str
    reread: int = 0
    deleted: int = 0
    left: int = 0
    problem: str = ""


async def repair(env: RepairEnvironment, findings: Sequence[Findings]) -> list[Repair]:
    """The repairs of all tables that have something to repair; return when all is durable on the bus.

    Raises `OwnerError` when a person has to act, and what the bus raises.
    """
    wrong = [one for one in findings if one.missing or one.extra or one.different]
    if not wrong:
        return []
    return await first_alone([partial(_repair_or_tell, env, one) for one in wrong])


async def _repair_or_tell(env: RepairEnvironment, findings: Findings) -> Repair:
    try:
        return await _repair(env, findings)
    except OwnerError:
        raise
    except IngestError as error:
        count = len(findings.missing) + len(findings.extra) + len(findings.different)
        return Repair(table=findings.verdict.table, left=count, problem=error.message)


async def _repair(env: RepairEnvironment, findings: Findings) -> Repair:
    selected = env.tables[findings.verdict.table]
    stored = {*findings.extra, *findings.different}
    looker = Looker(env.client, selected, findings.learned, reads=env.reads)

    async def control() -> AsyncIterator[str]:
        for id_ in findings.listed:
            yield id_

    ids = list(dict.fromkeys((*findings.missing, *findings.different, *findings.extra)))
    looked = await looker.look(ids, control=control)
    corrections = Corrections(env.bus, env.codec, env.organization_id, env.run_id)
    reread = await corrections.upsert(selected, looked.found.values(), findings.versions)

    gone = [id_ for id_ in looked.gone if id_ in stored]
    rows = findings.verdict.in_warehouse or 0
    problems = list(looked.reasons)
    held = len(gone) if env.brake.holds(len(gone), rows) else 0
    if held:
        problems.append(
            f"{held:,} of {rows:,} rows seem to be gone from Productive, which is too many to be deleted "
            f"unasked; `backfill --full --table {selected.name}` compares all of them"
        )
        gone = []
    deletions = [(id_, _deletion(findings.versions.get(id_), findings.started_us)) for id_ in gone]
    deleted = await corrections.delete(selected.name, deletions)
    if looked.unread:
        problems.append(f"{len(looked.unread):,} rows cannot be read by their ids")
    return Repair(
        table=selected.name,
        reread=reread,
        deleted=deleted,
        left=held + len(looked.unread) + len(looked.unclear),
        problem="; ".join(problems),
    )


def _deletion(row: Version | None, started_us: int) -> Version:
    """Larger than the row's version, and smaller than that of anything that happened since."""
    changed_us = max(row.changed_us, started_us) if row else started_us
    return Version(changed_us, started_us)
