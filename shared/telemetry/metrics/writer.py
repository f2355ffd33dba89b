"""The metrics of the writer, and of the buses."""

from __future__ import annotations

from typing import Final

from shared.telemetry.metric import Alert, Metric

WRITER_ROWS: Final = Metric(
    "productive_writer_rows",
    "counter",
    "writer",
    "Rows that the writer is done with. `applied`: they are in the warehouse. `stale`: an equal or newer "
    "version was there. `refused`: the warehouse does not take them; each is a dead letter. `kept_out`: a "
    "purge says that they must not come back.",
    "`stale` in numbers is normal after a replay, a repeated crawl, or a burst of webhooks. `refused`: "
    "`productive-ingest deadletters list` says why.",
    labels=("outcome", "table"),
    alerts=(Alert("RowsRefused", 'increase(productive_writer_rows_total{outcome="refused"}[15m]) > 0', 0),),
)
WRITER_MESSAGES: Final = Metric(
    "productive_writer_messages",
    "counter",
    "writer",
    "Messages taken from the bus, by what became of them. `written`: confirmed by the warehouse and "
    "acked. `dead`: set aside as a whole. `returned`: given back, to be tried again.",
    "`returned` grows: the warehouse does not answer, see the log. `dead`: `productive-ingest deadletters "
    "list`. Too many of them in a row, and the writer stops and says so.",
    labels=("outcome",),
    alerts=(Alert("MessagesDead", 'increase(productive_writer_messages_total{outcome="dead"}[15m]) > 0', 0),),
)
WRITER_WRITE_SECONDS: Final = Metric(
    "productive_writer_write_seconds",
    "histogram",
    "writer",
    "How long the warehouse took to confirm one table's share of a batch.",
    "Grows without more rows: DuckDB: a slow disk, or a table that outgrew `storage.duckdb_memory`. "
    "BigQuery: its status page, or a quota.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)
WRITER_WRITE_ROWS: Final = Metric(
    "productive_writer_write_rows",
    "histogram",
    "writer",
    "Rows of one table that were written at once.",
    "Always at `writer.batch_rows`: the writer is behind; see the backlog. Always 1: traffic is low, "
    "which is fine.",
    buckets=(1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 10_000, 100_000),
)
WRITER_LATENCY_SECONDS: Final = Metric(
    "productive_writer_latency_seconds",
    "histogram",
    "writer",
    "From when Productive was asked, or the webhook was received, until the row was durable in the "
    "warehouse; one observation for every message, by `source`: `webhook` or `backfill`.",
    "The 99th percentile for `webhook` over some seconds: the reading waits for the rate limit, or the "
    "writer is behind. For `backfill` it is as long as the backlog of a crawl.",
    labels=("source",),
    buckets=(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0, 21_600.0),
    alerts=(
        Alert(
            "ChangesLate",
            "histogram_quantile(0.99, sum by (le) ("
            'rate(productive_writer_latency_seconds_bucket{source="webhook"}[10m]))) > 60',
            10,
        ),
    ),
)
WRITER_HELD: Final = Metric(
    "productive_writer_held_messages",
    "gauge",
    "writer",
    "Messages under a lease of this writer, not yet confirmed.",
    "Stands still above 0: see the next one.",
)
WRITER_OLDEST_HELD_SECONDS: Final = Metric(
    "productive_writer_oldest_held_seconds",
    "gauge",
    "writer",
    "For how long the oldest of them has been held; 0 when none is.",
    "Over a minute: one write hangs, or is being tried again. At ten minutes without any confirmation "
    "`/healthz` says 503.",
    alerts=(Alert("WriteHangs", "productive_writer_oldest_held_seconds > 120", 2),),
)
WRITER_LAST_WRITE: Final = Metric(
    "productive_writer_last_write_timestamp_seconds",
    "gauge",
    "writer",
    "When a batch was last confirmed, in seconds since 1970; 0 before the first one.",
    "Old while messages wait on the bus: no writer gets on.",
    alerts=(
        Alert(
            "NothingIsWritten",
            'productive_bus_messages{bus="records"} > 0 and ignoring(bus) '
            "time() - productive_writer_last_write_timestamp_seconds > 900",
            5,
            urgent=True,
        ),
    ),
)
WRITER_ALIVE: Final = Metric(
    "productive_writer_alive",
    "gauge",
    "writer",
    "1 while the writer gets on, 0 when it took messages and none was confirmed for ten minutes, or its "
    "loop stands still.",
    "0: end the process, what it held is delivered again; the platform does so by itself where `/healthz` "
    "is its liveness probe.",
    alerts=(Alert("WriterStuck", "productive_writer_alive == 0", 1, urgent=True),),
)

BUS_MESSAGES: Final = Metric(
    "productive_bus_messages",
    "gauge",
    "bus",
    "Messages not yet acked, leased ones too; `bus` is `intake` (deliveries of webhooks) or `records`. "
    "Looked at every quarter of a minute; on Pub/Sub it lags by minutes.",
    "Grows for long: `records`: no writer runs, or it is too slow. `intake`: the reading waits for "
    "Productive. Bounded: a full bus slows the crawl down, and deliveries go to the spool.",
    labels=("bus",),
)
BUS_BYTES: Final = Metric(
    "productive_bus_bytes",
    "gauge",
    "bus",
    "Their bytes.",
    "For sizing the disk.",
    labels=("bus",),
)
BUS_OLDEST_SECONDS: Final = Metric(
    "productive_bus_oldest_seconds",
    "gauge",
    "bus",
    "The age of the oldest of them; 0 when there is none.",
    "The best single sign that something does not get on: alert on it. Pub/Sub drops messages after its "
    "retention (7 days by default).",
    labels=("bus",),
    alerts=(Alert("BacklogOld", "productive_bus_oldest_seconds > 1800", 5, urgent=True),),
)
BUS_DEAD_LETTERS: Final = Metric(
    "productive_bus_dead_letters",
    "gauge",
    "bus",
    "Dead letters that are kept.",
    "Above 0: `productive-ingest deadletters list` says why; `productive-ingest deadletters replay` "
    "brings them back after the cause is mended.",
    labels=("bus",),
    alerts=(Alert("DeadLetters", "delta(productive_bus_dead_letters[15m]) > 0", 0),),
)
