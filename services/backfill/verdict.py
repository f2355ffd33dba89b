"""What the comparison of a table with Productive came to, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from shared.productive import Learned
from shared.record import Version


class RowDifference(msgspec.Struct, frozen=True):
    """A row that is not as Productive has it now; `newer` when it changed there after the sync."""

    id: str
    columns: tuple[str, ...]
    newer: bool


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """One table. Counts are None where unknown; `missing`, `extra` and `different` are the first of all.

    `missing_count`, `extra_count` and `different_count` say how many there are. No differences are the
    `unlisted_count` rows that Productive has although its list does not show them, and a table that it does
    not give to this token: `unavailable` is the reason. What was written in the last `late_seconds` may not
    show yet.
    """

    table: str
    in_productive: int | None = None
    in_warehouse: int | None = None
    sampled: int = 0
    missing: tuple[str, ...] = ()
    missing_count: int = 0
    extra: tuple[str, ...] = ()
    extra_count: int = 0
    different: tuple[RowDifference, ...] = ()
    different_count: int = 0
    unlisted_count: int = 0
    late_seconds: float = 0.0
    unavailable: str = ""
    failed: str = ""

    @property
    def right(self) -> bool:
        """Whether nothing was found that differs."""
        return not (self.missing_count or self.extra_count or self.different_count or self.failed)


@dataclass(frozen=True)
class Findings:
    """A verdict with all that it takes to repair the table, up to a bound.

    `versions` are those of the rows and of the remembered deletions of these ids, as far as there are any,
    `listed` a few ids that Productive has just shown, `started_us` when the comparison began (Productive's
    clock), `learned` what is known about the endpoint.
    """

    verdict: Verdict
    started_us: int = 0
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    different: tuple[str, ...] = ()
    listed: tuple[str, ...] = ()
    versions: Mapping[str, Version] = field(default_factory=dict)
    learned: Learned = field(default_factory=Learned)
