"""What a month on Google Cloud costs for an organization of a given size: one formula per service.

The largest item may not be the one expected. Changes reach a table of BigQuery by a merge, and a merge reads
the whole table, whatever it is clustered by (documented: "Stream table updates with change data capture").
With a staleness of some minutes BigQuery merges in the background, once per that time if there were changes;
with none every query merges for itself. Prices and free amounts are in `shared.google.prices`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from shared.google.prices import Prices

GIB: Final = float(1 << 30)
TIB: Final = float(1 << 40)
DAYS: Final = 30.4
"""In a month."""

_LEAST_READ: Final = 10.0 * (1 << 20)
"""Bytes that reading a table is billed at the least (documented for queries; taken for merges, too)."""

_LEAST_MESSAGE: Final = 1_000.0
"""Bytes that a request to Pub/Sub is billed at the least (documented)."""

_DELIVERY: Final = 4_000.0
"""Bytes of a webhook's delivery as it lies on the bus: an assumption; the sandbox's have about 2,000."""

_SECRET_VERSIONS: Final = 4.0
_TOKEN_READS_PER_DAY: Final = 86_400.0 / 30.0
"""The receiver looks for new tokens every 30 seconds."""

_STATE_WRITES: Final = 4.0
"""Objects written per table and crawl: the checkpoint at its begin and end and while it reads."""


@dataclass(frozen=True, slots=True)
class TableUse:
    """A table: its rows and bytes as BigQuery counts them, how late it may be, and what is written to it."""

    name: str
    rows: float
    bytes: float
    staleness_minutes: float
    changes_per_day: float

    @property
    def row_bytes(self) -> float:
        """Of one row."""
        return self.bytes / self.rows if self.rows else 0.0


@dataclass(frozen=True, slots=True)
class Usage:
    """What is done with the tables.

    A query reads `tables_per_query` tables, any of them alike, and of each the share `columns_read`.
    `vcpus` and `gib` are those of the services that always run: the receiver's and the writer's together.
    """

    tables: Sequence[TableUse]
    webhooks_per_day: float = 0.0
    queries_per_day: float = 50.0
    tables_per_query: float = 2.0
    columns_read: float = 0.25
    crawls_per_day: float = 24.0
    crawl_minutes_per_day: float = 60.0
    vcpus: float = 2.0
    gib: float = 1.5


@dataclass(frozen=True, slots=True)
class Line:
    """What one service costs in a month, in US dollars: the formula with its numbers, and what changes it."""

    service: str
    dollars: float
    formula: str
    knob: str
    details: Sequence[tuple[str, float]] = field(default=())
    """The tables that cost most of it, with their dollars, before anything that is free."""


def estimate(usage: Usage, prices: Prices) -> Sequence[Line]:
    """Every line, the dearest first; what is not counted: logs, traces, network out of Google, taxes."""
    lines = (
        reading(usage, prices),
        _storage(usage, prices),
        _writing(usage, prices),
        _pubsub(usage, prices),
        _run(usage, prices),
        _objects(usage, prices),
        _secrets(usage, prices),
    )
    return sorted(lines, key=lambda line: -line.dollars)


def merges_per_day(table: TableUse) -> float:
    """How often BigQuery merges changes into the table by itself: once per staleness, if there are any."""
    if not table.staleness_minutes:
        return 0.0
    return min(24 * 60 / table.staleness_minutes, table.changes_per_day)


def read_per_day(table: TableUse, reads_per_day: float, columns_read: float) -> tuple[float, float]:
    """Bytes that merges by themselves read in a day, and those that queries do, which may have to merge."""
    whole = max(table.bytes, _LEAST_READ)
    merges_itself = table.changes_per_day > 0 and not table.staleness_minutes
    per_read = whole if merges_itself else max(columns_read * table.bytes, _LEAST_READ)
    return merges_per_day(table) * whole, reads_per_day * per_read


def with_staleness(usage: Usage, minutes: float) -> Usage:
    """The same with every table as late as that."""
    return replace(usage, tables=[replace(table, staleness_minutes=minutes) for table in usage.tables])


def reading(usage: Usage, prices: Prices) -> Line:
    """What merges and queries read: the line that the staleness decides."""
    reads = usage.queries_per_day * usage.tables_per_query / max(1, len(usage.tables))
    daily = {table.name: read_per_day(table, reads, usage.columns_read) for table in usage.tables}
    merged = DAYS * sum(merge for merge, _ in daily.values()) / TIB
    queried = DAYS * sum(query for _, query in daily.values()) / TIB
    dear = sorted(daily.items(), key=lambda item: -sum(item[1]))[:5]
    return Line(
        "BigQuery, merges and queries",
        _over(merged + queried, prices.query_free_tib) * prices.query_tib,
        f"({merged:,.3f} TiB read by background merges + {queried:,.3f} TiB by queries "
        f"− {prices.query_free_tib:g} free) × ${prices.query_tib:g}",
        "bigquery.staleness_minutes, bigquery.live_staleness_minutes: twice the minutes, half the merges; 0 "
        "makes every query of a table read all of it. A reservation for BACKGROUND pays merges by slots.",
        tuple((name, DAYS * sum(read) / TIB * prices.query_tib) for name, read in dear),
    )


def _storage(usage: Usage, prices: Prices) -> Line:
    stored = sum(table.bytes for table in usage.tables) / GIB
    return Line(
        "BigQuery, storage",
        _over(stored, prices.storage_free_gib) * prices.storage_gib,
        f"({stored:,.2f} GiB − {prices.storage_free_gib:g} free) × ${prices.storage_gib:g}",
        "tables.history adds a row per change; columns.skip takes columns away.",
    )


def _writing(usage: Usage, prices: Prices) -> Line:
    written = DAYS * sum(table.changes_per_day * table.row_bytes for table in usage.tables) / GIB
    return Line(
        "BigQuery, Storage Write API",
        _over(written, prices.write_free_gib) * prices.write_gib,
        f"({written:,.2f} GiB written − {prices.write_free_gib:,.0f} free) × ${prices.write_gib:g}",
        "crawl.full_every_hours: a full crawl writes every row again.",
    )


def _pubsub(usage: Usage, prices: Prices) -> Line:
    changes = sum(table.changes_per_day for table in usage.tables)
    written = sum(table.changes_per_day * table.row_bytes for table in usage.tables)
    mean = written / changes if changes else 0.0
    crawled = max(0.0, changes - usage.webhooks_per_day) * mean
    by_webhook = usage.webhooks_per_day * (_DELIVERY + max(_LEAST_MESSAGE, mean))
    through = 2 * DAYS * (crawled + by_webhook)
    return Line(
        "Pub/Sub",
        _over(through, prices.pubsub_free_gib * GIB) / TIB * prices.pubsub_tib,
        f"({through / GIB:,.2f} GiB published and pulled − {prices.pubsub_free_gib:g} free) "
        f"÷ 1,024 × ${prices.pubsub_tib:g}",
        "Fewer events (`webhooks register --event`), fewer full crawls. What waits for days is extra.",
    )


def _run(usage: Usage, prices: Prices) -> Line:
    always, crawls = DAYS * 86_400.0, DAYS * usage.crawl_minutes_per_day * 60.0
    vcpu_seconds, gib_seconds = always * usage.vcpus + crawls, always * usage.gib + crawls
    dollars = _over(vcpu_seconds, prices.vcpu_free_seconds) * prices.vcpu_second
    dollars += _over(gib_seconds, prices.gib_free_seconds) * prices.gib_second
    return Line(
        "Cloud Run",
        dollars,
        f"({vcpu_seconds:,.0f} vCPU-seconds − {prices.vcpu_free_seconds:,.0f} free) × "
        f"${prices.vcpu_second:.7f} + ({gib_seconds:,.0f} GiB-seconds − {prices.gib_free_seconds:,.0f} free) "
        f"× ${prices.gib_second:.7f}",
        "The receiver and the writer always run; smaller instances, or a writer that runs now and then "
        "(`writer --drain` as a job), cost less and show changes later.",
    )


def _objects(usage: Usage, prices: Prices) -> Line:
    writes = DAYS * usage.crawls_per_day * len(usage.tables) * _STATE_WRITES
    return Line(
        "Cloud Storage",
        _over(writes, prices.object_writes_free) / 10_000 * prices.object_writes_10k,
        f"({writes:,.0f} objects written − {prices.object_writes_free:,.0f} free) "
        f"÷ 10,000 × ${prices.object_writes_10k:g}",
        "How often crawls are scheduled. What objects take is less than a cent.",
    )


def _secrets(usage: Usage, prices: Prices) -> Line:
    reads = DAYS * (_TOKEN_READS_PER_DAY + usage.crawls_per_day)
    dollars = _over(_SECRET_VERSIONS, prices.secret_versions_free) * prices.secret_version
    dollars += _over(reads, prices.secret_reads_free) / 10_000 * prices.secret_reads_10k
    return Line(
        "Secret Manager",
        dollars,
        f"({_SECRET_VERSIONS:.0f} versions − {prices.secret_versions_free:.0f} free) × "
        f"${prices.secret_version:g} + ({reads:,.0f} reads − {prices.secret_reads_free:,.0f} free) "
        f"÷ 10,000 × ${prices.secret_reads_10k:g}",
        "One receiver's reads; each instance more reads as often.",
    )


def _over(amount: float, free: float) -> float:
    return max(0.0, amount - free)
