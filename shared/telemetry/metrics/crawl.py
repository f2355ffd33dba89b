"""The metrics of the crawl, and of Productive's API."""

from __future__ import annotations

from typing import Final

from shared.telemetry.metric import Alert, Metric

CRAWL_PAGES: Final = Metric(
    "productive_crawl_pages",
    "counter",
    "crawl",
    "Pages that are safe on the bus, of up to 200 records each.",
    "Nothing; what a crawl costs in requests.",
    labels=("table",),
)
CRAWL_RECORDS: Final = Metric(
    "productive_crawl_records",
    "counter",
    "crawl",
    "Records on these pages.",
    "Nothing; for sizing.",
    labels=("table",),
)
CRAWL_REJECTED: Final = Metric(
    "productive_crawl_rejected",
    "counter",
    "crawl",
    "What a page held that is no record; each is a dead letter.",
    "Above 0: `productive-ingest deadletters list`; report what Productive sends there.",
    labels=("table",),
)
CRAWL_TABLES: Final = Metric(
    "productive_crawl_tables",
    "counter",
    "crawl",
    "Ends of a table's crawl. `done`: read to its end. `unavailable`: Productive does not let this token "
    "read it. `failed`: it is resumed by the next crawl.",
    "`failed` now and again is harmless; always the same table: `productive-ingest status` says why. "
    "`unavailable`: the token's role, or the organization's plan.",
    labels=("outcome",),
    alerts=(Alert("TablesFail", 'increase(productive_crawl_tables_total{outcome="failed"}[6h]) > 3', 0),),
)
CRAWL_FINISHED: Final = Metric(
    "productive_crawl_finished_timestamp_seconds",
    "gauge",
    "crawl",
    "When a crawl of the table last came to its end in this process, in seconds since 1970.",
    "Older than two intervals of the schedule: crawls fail or do not run. A job ends before it can be "
    "scraped: there, watch its executions.",
    labels=("table",),
)

API_REQUESTS: Final = Metric(
    "productive_api_requests",
    "counter",
    "api",
    "Requests sent to Productive, those of the crawl, the reading and the commands.",
    "Nothing; compare with the limits.",
)
API_FAILURES: Final = Metric(
    "productive_api_failures",
    "counter",
    "api",
    "Attempts that failed and were made again.",
    "A steady rate: the network, or Productive itself.",
    alerts=(
        Alert(
            "ProductiveFails",
            "rate(productive_api_failures_total[15m]) > 0.2 * rate(productive_api_requests_total[15m])",
            15,
        ),
    ),
)
API_THROTTLED: Final = Metric(
    "productive_api_throttled",
    "counter",
    "api",
    "Answers 429. We stay below the limits by ourselves, so this says that somebody else uses them, too.",
    "Grows: give this installation a token of its own, find who else calls the API, or run fewer crawls.",
    alerts=(Alert("Throttled", "increase(productive_api_throttled_total[1h]) > 10", 0),),
)
API_LIMIT: Final = Metric(
    "productive_api_limit_requests",
    "gauge",
    "api",
    "How many requests each of Productive's windows allows: `token` (10 s), `organization` (30 min), "
    "`reports` (30 s), `salaries` (2 min).",
    "Nothing.",
    labels=("window",),
)
API_LIMIT_LEFT: Final = Metric(
    "productive_api_limit_left_requests",
    "gauge",
    "api",
    "How many of them are left right now, counting what this process sent.",
    "`organization` near 0 for long: crawl less often, or raise `productive.reserve` so that webhooks "
    "keep their share.",
    labels=("window",),
)
API_SERVER_SECONDS: Final = Metric(
    "productive_api_server_seconds",
    "gauge",
    "api",
    "Our estimate of the processing time used up on Productive's servers in this `hour` and this `day` "
    "(UTC); 30 minutes and 6 hours are allowed.",
    "Near the bound: fewer full crawls, or fewer tables with side-loaded relations.",
    labels=("period",),
)
