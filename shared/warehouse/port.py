"""The warehouse: tables of rows with one row per id, written by version and read back for comparison."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from shared.catalog.model import ColumnType
from shared.record.model import OwnColumn, Record, Source, Value

OWN_COLUMNS: tuple[tuple[str, ColumnType], ...] = (
    (OwnColumn.SYNCED_AT, ColumnType.TIMESTAMP),
    (OwnColumn.CHANGED_AT, ColumnType.TIMESTAMP),
    (OwnColumn.SOURCE, ColumnType.STRING),
    (OwnColumn.RUN_ID, ColumnType.STRING),
    (OwnColumn.UNPARSED, ColumnType.JSON),
)


@dataclass(frozen=True)
class TableNotes:
    """What people should know of a table, for stores that show it to them; nothing depends on it but words.

    `columns` are descriptions by column, `live` says that webhooks bring the table's changes: a store that
    may choose how late it shows them should not.
    """

    description: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    live: bool = False


@dataclass(frozen=True)
class TableSchema:
    """The columns that a table shall have: `id` first, then those chosen, without our own.

    Adapters add `OWN_COLUMNS` and whatever they need to keep the version. With `history` every version of
    its records is kept beside the table; see `Warehouse.ensure_table`.
    """

    name: str
    columns: tuple[tuple[str, ColumnType], ...]
    history: bool = False
    notes: TableNotes = field(default=TableNotes(), compare=False)


@dataclass(frozen=True, slots=True)
class Row:
    """A record on its way into a table, with what the own columns need from its batch."""

    record: Record
    source: Source
    run_id: str


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row the warehouse would not take, by its index in the rows given; the others were written."""

    index: int
    reason: str


@dataclass(frozen=True, slots=True)
class WriteOutcome:
    """What became of the rows of one write: `applied` changed the table, `stale` lost to what was there.

    `refused` is normal now and then (it goes to the dead letters); it never grows with a healthy schema.
    """

    applied: int
    stale: int
    refused: tuple[RefusedRow, ...] = ()


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """What `ensure_table` did: made the table, or added columns."""

    created: bool = False
    added: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TableState:
    """How a table is: rows, latest `_synced_at` and `_changed_at` in µs, rows that keep `_unparsed`.

    `late_seconds` is how old what is read from the table may be: changes of that time may be missing.
    """

    rows: int
    last_synced_us: int | None = None
    last_changed_us: int | None = None
    unparsed_rows: int = 0
    columns: Mapping[str, str] = field(default_factory=dict)
    late_seconds: float = 0.0


class StoredVersion(NamedTuple):
    """Which version of a record a row holds, in µs since 1970 UTC (see `shared.record.model.Version`)."""

    id: str
    changed_us: int
    observed_us: int


class Warehouse(Protocol):
    """One writer at a time. Calls may be awaited concurrently; none blocks the event loop.

    `StorageError` when the store cannot be used, `BusyError` when another process holds it,
    `UnreachableError` when it does not answer.
    """

    async def ensure_table(self, schema: TableSchema) -> SchemaChange:
        """Create the table or add the columns it lacks; never drops or retypes anything.

        With `schema.history` there is a view `<table>_history` beside it: the schema's columns, and
        `_valid_from`, `_valid_to` (TIMESTAMP; NULL while it lasts) and `_is_current` (BOOL), with a row for
        every state that a record was ever seen in, whatever order the versions came in. It begins
        with what the table holds when it is first asked for, and stays as it is while nobody asks for it.
        """
        ...

    async def write(self, schema: TableSchema, rows: Sequence[Row]) -> WriteOutcome:
        """Apply rows, durably and as one, each if its version is larger than what the table knows of its id.

        A deletion is remembered, so that an older upsert cannot bring the row back. The rows may hold
        an id more than once: the largest version counts. The table must have been ensured.
        """
        ...

    async def state(self, table: str) -> TableState | None:
        """None when there is no such table."""
        ...

    def ids(self, table: str) -> AsyncIterator[Sequence[str]]:
        """All ids of a table in chunks, in no order."""
        ...

    def versions(
        self, table: str, *, observed_before_us: int | None = None
    ) -> AsyncIterator[Sequence[StoredVersion]]:
        """The versions of all rows in chunks, in no order; nothing when there is no such table.

        With `observed_before_us` only rows whose state was observed before that time.
        """
        ...

    def tombstones(
        self, table: str, *, observed_before_us: int | None = None
    ) -> AsyncIterator[Sequence[StoredVersion]]:
        """The deletions that the store remembers of a table, with their versions, as `versions` gives rows'.

        A store may forget a deletion in time; then an older record brings the row back by itself.
        """
        ...

    async def matching(self, table: str, column: str, values: Sequence[str]) -> Sequence[str]:
        """The ids of the rows whose column holds one of the values, or a list with one of them.

        Only columns of STRING and STRING_ARRAY match anything; nothing does where there is no such table
        or column.
        """
        ...

    async def reading_bytes(self, table: str, columns: Sequence[str]) -> int | None:
        """How many bytes reading these columns of all rows would be billed for; None where reading is free.

        0 for a table or columns that are not there.
        """
        ...

    async def fetch(self, schema: TableSchema, ids: Sequence[str]) -> Mapping[str, Mapping[str, Value]]:
        """The rows of `ids` that exist, by id, with the schema's columns and `_unparsed`.

        Values are in the form they travel in (see `ColumnType`), NUMERIC in the canonical text of
        `shared.record`; NULLs are left out.
        """
        ...

    async def purge_rows(self, table: str, ids: Sequence[str]) -> int:
        """Remove rows for good, with their history and any memory of a deletion; returns how many.

        It is not remembered as a deletion: a later record of such an id is written, however old. Whoever
        wants the id kept out has to keep it out of the writes.
        """
        ...

    async def purge_column(self, table: str, column: str) -> bool:
        """Remove a column for good, in the history and in `_unparsed` too; False when there is none.

        `ensure_table` with a schema that still has the column makes it anew, empty. `ConfigError` for `id`
        and for our own columns, without which a table is none.
        """
        ...

    async def purge_table(self, table: str) -> bool:
        """Remove a table for good, with its history and all memory of deletions; False when there is none.

        `StorageError` when the table is not one of ours.
        """
        ...

    async def close(self) -> None:
        """Let go of files and connections."""
        ...
