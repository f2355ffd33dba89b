"""The record: what every service speaks, and the rule that decides which of two versions wins."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, NamedTuple

import msgspec

SCHEMA = 1

Value = str | int | bool | list[str] | None
"""One column's value as it travels; see `shared.catalog.ColumnType` for which type travels how."""


class Version(NamedTuple):
    """Orders the states of one record, whoever brings them; compared pairwise, larger wins, equal is a no-op.

    Both parts are microseconds since 1970 UTC. `changed_us` is Productive's own change time (or the
    observation where there is none), `observed_us` the time at which Productive was asked.
    """

    changed_us: int
    observed_us: int


class Source(StrEnum):
    """Who found a record."""

    BACKFILL = "backfill"
    WEBHOOK = "webhook"
    DELETION = "deletion"


class Record(msgspec.Struct, frozen=True):
    """One state of one row.

    `data` maps column names to values and is always the whole row: a column that is absent is NULL.
    A delete carries no data.
    """

    id: str
    op: Literal["upsert", "delete"]
    version: Version
    data: dict[str, Value] = {}


class RecordBatch(msgspec.Struct, frozen=True):
    """Records of one table that were found together: a page of the crawl, one webhook, one comparison."""

    table: str
    organization_id: str
    source: Source
    run_id: str
    records: list[Record]
    schema: int = SCHEMA


class OwnColumn(StrEnum):
    """The columns that are ours, in every table; they start with `_`, which no attribute of Productive does.

    `SYNCED_AT` is when Productive was asked for the state in the row, `CHANGED_AT` when it says that
    the state came to be, `UNPARSED` a JSON object of the values that did not fit their columns.
    """

    SYNCED_AT = "_synced_at"
    SOURCE = "_source"
    RUN_ID = "_run_id"
    CHANGED_AT = "_changed_at"
    UNPARSED = "_unparsed"
