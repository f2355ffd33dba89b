"""What may be chosen about a warehouse on BigQuery."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.warehouse.bigquery.append_settings import AppendSettings


@dataclass(frozen=True)
class BigquerySettings:
    """How the dataset is made, how late its tables may show changes, and what a query may cost.

    - `location` of a dataset that has to be made (`EU`, `europe-west3` ...); BigQuery's default if None.
    - `live_staleness_minutes` and `staleness_minutes`: how late tables may show changes that webhooks feed,
      and all the others. 0 merges the changes into every query, which then reads the whole table.
    - `max_gigabytes_per_query`: a query that would be billed for more is refused by BigQuery, unpaid.
    - `call_seconds` and `query_seconds`: how long one request, and the running of one query, may take.
    - `threads`: how many requests may be under way at once.
    - `append`: how rows are sent.
    """

    location: str | None = None
    live_staleness_minutes: int = 0
    staleness_minutes: int = 30
    max_gigabytes_per_query: float = 100.0
    call_seconds: float = 30.0
    query_seconds: float = 300.0
    threads: int = 8
    append: AppendSettings = field(default_factory=AppendSettings)

    @property
    def max_bytes_per_query(self) -> int:
        """`max_gigabytes_per_query` in bytes."""
        return int(self.max_gigabytes_per_query * 2**30)

    def staleness_of(self, *, live: bool) -> int:
        """Minutes by which a table may show changes late."""
        return self.live_staleness_minutes if live else self.staleness_minutes
