"""Proof, on a table of its own, that changes do to rows what everything else relies on."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

from shared.catalog.model import ColumnType
from shared.clock import Clock
from shared.record.model import Value, Version
from shared.warehouse.bigquery.appending import Appender
from shared.warehouse.bigquery.changes import KEY, ChangeRow, Kind, sequence_of

SCRATCH_COLUMNS: Final = ((KEY, ColumnType.STRING), ("state", ColumnType.STRING))
"""What the scratch table has to have, `id` being its primary key and no staleness being allowed."""

_PAUSES: Final = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds before each look: a change shows at once (documented), but a look must not judge too early."""

ReadBack = Callable[[Collection[str]], Awaitable[Mapping[str, Mapping[str, Value]]]]
"""Reads the rows of these ids that exist, by id, with NULLs left out."""


@dataclass(frozen=True, slots=True)
class SelfTestResult:
    """Whether changes work; `problems` says in words what does not."""

    problems: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing was found."""
        return not self.problems


async def prove_changes(
    appender: Appender, table: str, read_back: ReadBack, *, clock: Clock
) -> SelfTestResult:
    """Write to the scratch table and look: an upsert replaces, a lower number loses, a deletion deletes.

    The ids are new every time, so that rows which an earlier test left do not matter. Raises what the
    appender and the reader raise.
    """
    run = uuid.uuid4().hex
    replaced, kept, deleted, dead = (f"{run}-{what}" for what in ("replaced", "kept", "deleted", "dead"))
    first = [_row(replaced, 1), _row(kept, 2), _row(deleted, 1), _row(dead, 2, "DELETE")]
    second = [_row(replaced, 2), _row(kept, 1), _row(deleted, 2, "DELETE"), _row(dead, 1)]
    problems = []
    for rows in (first, second):
        refused = await appender.append(table, SCRATCH_COLUMNS, rows)
        problems += [f"a row was refused: {row.reason}" for row in refused]
    if problems:
        return SelfTestResult(tuple(problems))
    found: Mapping[str, Mapping[str, Value]] = {}
    for pause in _PAUSES:
        await clock.sleep(pause)
        found = await read_back((replaced, kept, deleted, dead))
        problems = [
            problem
            for id_, right, problem in (
                (replaced, "state 2", "an upsert does not replace an older state"),
                (kept, "state 2", "an older state is not ignored"),
                (deleted, None, "a deletion does not delete"),
                (dead, None, "an older state brings a deleted row back"),
            )
            if found.get(id_, {}).get("state") != right or (right is None and id_ in found)
        ]
        if not problems:
            break
    return SelfTestResult(tuple(problems))


def _row(id_: str, version: int, kind: Kind = "UPSERT") -> ChangeRow:
    return ChangeRow(kind, sequence_of(Version(version, version)), {KEY: id_, "state": f"state {version}"})
