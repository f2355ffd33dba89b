"""How a table is read in a run: the whole of it, or what has changed since it was read the last time.

Pure rules, no sending. What is known about Productive's filters and orders is in the catalog.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from shared.catalog.model import Table
from shared.clock import MICROSECONDS
from shared.productive import PAGE_SIZE, Learned

_DAY = 86_400
_MOST_WINDOWS = 32
_JITTER = 0.25
_FUTURE_US = _DAY * MICROSECONDS


class Mode(StrEnum):
    """What a person asked for: what is needed, everything, or the changes since a time."""

    AUTO = "auto"
    FULL = "full"
    SINCE = "since"


class Scope(msgspec.Struct, frozen=True, omit_defaults=True):
    """How much a run is to read; `since_us`, microseconds since 1970 UTC, is set in mode `since` alone.

    `reason` says for people why everything is read.
    """

    mode: Mode = Mode.AUTO
    since_us: int | None = None
    reason: str = "asked for"

    def covers(self, other: Scope) -> bool:
        """Whether a run of this scope, when it is resumed, does what a run of the other one would."""
        if self.since_us is None or other.since_us is None:
            return other.mode in (Mode.AUTO, self.mode)
        return self.since_us <= other.since_us


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a table is read as a whole although its changes could be asked for, and how far changes overlap.

    `full_every_seconds`: some changes move no time that Productive filters by, and deletions leave no trace
    in a list. `overlap_seconds`: change times were seen to lie some seconds after the change.
    `retry_refused_seconds`: what an endpoint once refused is tried again after that time. A pause of more
    than two `window_seconds` is caught up with window by window, where a table has some pages.
    """

    full_every_seconds: float = 7 * _DAY
    overlap_seconds: float = 120
    retry_refused_seconds: float = 7 * _DAY
    window_seconds: float = 7 * _DAY


class Coverage(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the crawls of a table have brought by now; outlives them all, and only ever grows.

    Every change before `watermark_us` is read; `full_us` is when the last complete read of the whole table
    began, of what `fingerprint` stands for. Both are request times on Productive's clock and never taken
    from records: not every list shows the time that it is filtered by.
    """

    watermark_us: int | None = None
    full_us: int | None = None
    fingerprint: str = ""

    def after(self, plan: Plan, first_us: int, fingerprint: str) -> Coverage:
        """The coverage when a plan has been carried out whose first page was asked for at `first_us`."""
        watermark_us = max(first_us, self.watermark_us or 0)
        if plan.full:
            return Coverage(watermark_us, max(first_us, self.full_us or 0), fingerprint)
        if self.watermark_us is None or plan.since_us is None or plan.since_us > self.watermark_us:
            # What lies between what was read before and what was read now is not read.
            return self
        return msgspec.structs.replace(self, watermark_us=watermark_us)


class Plan(msgspec.Struct, frozen=True, omit_defaults=True):
    """How one table is read in one run.

    Without `since_us` the whole table is read, for the `reason` given. Otherwise what has changed since:
    narrowed by the filter named `filter`, or in the order `-sort` up to the first record that is older.
    `borders` cut the time into windows that are read one by one, the last one open-ended.
    """

    reason: str = ""
    since_us: int | None = None
    filter: str | None = None
    sort: str | None = None
    borders: tuple[int, ...] = ()

    @property
    def full(self) -> bool:
        """Whether the whole table is read."""
        return self.since_us is None

    def window(self, number: int) -> tuple[int, int | None]:
        """From when to when the window with this number, from 0, reaches; the last one has no end."""
        ends = (self.since_us or 0, *self.borders)
        return ends[number], self.borders[number] if number < len(self.borders) else None


def plan_table(
    table: Table,
    scope: Scope,
    coverage: Coverage,
    learned: Learned,
    *,
    fingerprint: str,
    now_us: int,
    schedule: Schedule,
    rows: int | None = None,
    trying_again: bool = False,
) -> Plan:
    """The plan for a table. `learned` is what its endpoint refuses, `fingerprint` stands for what is asked
    for, `rows` is how many there are, if that is known, and `trying_again` says that columns are to be had
    perhaps that were refused before."""
    if scope.mode is Mode.FULL:
        return Plan(reason=scope.reason)
    if scope.mode is Mode.SINCE and scope.since_us is not None:
        return _changes(table, learned, scope.since_us, now_us=now_us, schedule=schedule, rows=rows)
    reason = _reason_for_all(
        table, coverage, fingerprint=fingerprint, now_us=now_us, schedule=schedule, trying_again=trying_again
    )
    if reason or coverage.watermark_us is None:
        return Plan(reason=reason)
    since_us = coverage.watermark_us - _us(schedule.overlap_seconds)
    return _changes(table, learned, since_us, now_us=now_us, schedule=schedule, rows=rows)


def replan(plan: Plan, table: Table, before: Learned, learned: Learned) -> tuple[Plan, Learned]:
    """The plan after what was learned on its way, and what of that is to be believed.

    It is another plan when the filter or the order that it needs was refused.
    """
    if plan.since_us is None:
        return plan, learned
    if plan.filter is not None and plan.filter in learned.refused_filters:
        if not plan.borders:
            return _by_order(table, learned, plan.since_us), learned
        # It may be the two conditions on one field that were refused, and not the filter.
        learned = msgspec.structs.replace(learned, refused_filters=before.refused_filters)
        return msgspec.structs.replace(plan, borders=()), learned
    if plan.sort is not None and plan.sort in learned.refused_sorts:
        return _by_order(table, learned, plan.since_us), learned
    return plan, learned


def _reason_for_all(
    table: Table,
    coverage: Coverage,
    *,
    fingerprint: str,
    now_us: int,
    schedule: Schedule,
    trying_again: bool,
) -> str:
    """Why the whole table has to be read; empty when the changes are enough."""
    if coverage.watermark_us is None or coverage.full_us is None:
        return "not read to its end before"
    if coverage.fingerprint != fingerprint:
        return "what is selected of it has changed"
    if max(coverage.watermark_us, coverage.full_us) > now_us + _FUTURE_US:
        return "it was last read at a time that is still to come"
    if now_us - coverage.full_us >= _us(schedule.full_every_seconds * _share(table.name)):
        return "due again"
    return "columns that were refused are tried again" if trying_again else ""


def _changes(
    table: Table, learned: Learned, since_us: int, *, now_us: int, schedule: Schedule, rows: int | None
) -> Plan:
    since_us = max(0, since_us)
    if table.change_filter and table.change_filter not in learned.refused_filters:
        borders = _borders(since_us, now_us, _us(schedule.window_seconds), rows)
        return Plan(since_us=since_us, filter=table.change_filter, borders=borders)
    return _by_order(table, learned, since_us)


def _by_order(table: Table, learned: Learned, since_us: int) -> Plan:
    for sort in table.change_sorts:
        if sort not in learned.refused_sorts:
            return Plan(since_us=since_us, sort=sort)
    return Plan(reason="its changes cannot be asked for")


def _borders(since_us: int, now_us: int, window_us: int, rows: int | None) -> tuple[int, ...]:
    """Where the windows end; none when the time is short or the table small: each costs a request at least.

    The last, open window reaches back for a whole window: an end of the last days could be cut down to its
    day, by a server that does so, and today's changes with it.
    """
    last_us = now_us - window_us
    span_us = last_us - since_us
    if span_us < window_us:
        return ()
    pages = _MOST_WINDOWS if rows is None else rows // PAGE_SIZE
    count = min(-(-span_us // window_us), _MOST_WINDOWS, pages)
    return tuple(since_us + span_us * number // count for number in range(1, count + 1))


def _share(name: str) -> float:
    """Which part of the time between full reads this table waits: not all tables are due at once."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4])
    return 1 - _JITTER * number / 2**32


def _us(seconds: float) -> int:
    return round(seconds * MICROSECONDS)
