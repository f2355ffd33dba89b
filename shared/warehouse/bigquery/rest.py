"""BigQuery's REST API from asyncio: its synchronous client in a few threads, with deadlines of ours.

There is no asynchronous client of Google's. The client's own retries go on for ten minutes (seen in its
source), so every call gets a retry and a timeout from here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, TypeVar

from google.cloud import bigquery

from shared.warehouse.bigquery.failures import retry_for
from shared.warehouse.bigquery.settings import BigquerySettings

T = TypeVar("T")
Parameter = bigquery.ScalarQueryParameter | bigquery.ArrayQueryParameter
LABELS: Final = {"managed-by": "productive-ingest"}


class Rest:
    """One dataset's REST API. Errors are those of the client: see `failures.translated`."""

    def __init__(self, client: bigquery.Client, dataset: str, settings: BigquerySettings) -> None:
        self.client = client
        self.project: str = client.project
        self.dataset = dataset
        self.settings = settings
        self.location: str | None = settings.location
        self._pool = ThreadPoolExecutor(settings.threads, thread_name_prefix="bigquery")

    def quoted(self, table: str) -> str:
        """A table of the dataset, as statements name it."""
        return f"`{self.project}.{self.dataset}.{table}`"

    def named(self, table: str) -> str:
        """A table of the dataset, as the client names it."""
        return f"{self.project}.{self.dataset}.{table}"

    def path(self, table: str) -> str:
        """A table of the dataset, as the write path names it."""
        return f"projects/{self.project}/datasets/{self.dataset}/tables/{table}"

    async def call(self, method: Callable[..., T], *arguments: Any, **options: Any) -> T:
        """Call a method of the client that takes `retry` and `timeout`."""
        seconds = self.settings.call_seconds
        return await self.run(
            partial(method, *arguments, retry=retry_for(seconds), timeout=seconds, **options)
        )

    async def run(self, work: Callable[[], T]) -> T:
        """Run something in one of the threads; a caller that is cancelled does not stop it."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    async def pages(
        self, statement: str, parameters: Sequence[Parameter] = (), *, page_size: int = 10_000
    ) -> AsyncIterator[list[tuple[Any, ...]]]:
        """The rows of a query in pages of at most `page_size`, read one page ahead of nobody."""
        seconds = self.settings.query_seconds
        found = await self.run(
            lambda: self.client.query_and_wait(
                statement,
                job_config=self.config(parameters, seconds=seconds),
                location=self.location,
                project=self.project,
                api_timeout=self.settings.call_seconds,
                wait_timeout=seconds,
                retry=retry_for(self.settings.call_seconds),
                job_retry=None,  # type: ignore[arg-type]  # documented: None switches it off
                page_size=page_size,
            )
        )
        pages = iter(found.pages)

        def next_page() -> list[tuple[Any, ...]] | None:
            page = next(pages, None)
            return None if page is None else [row.values() for row in page]

        while (page := await self.run(next_page)) is not None:
            for start in range(0, len(page), page_size):
                yield page[start : start + page_size]

    async def rows(self, statement: str, parameters: Sequence[Parameter] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query that has few."""
        return [row async for page in self.pages(statement, parameters) for row in page]

    async def dry_run(self, statement: str, parameters: Sequence[Parameter] = ()) -> bigquery.QueryJob:
        """The dry run of a query: what kind it is and what it would read."""
        config = self.config(parameters, seconds=None)
        config.dry_run = True
        return await self.call(
            self.client.query,
            statement,
            job_config=config,
            location=self.location,
            job_retry=None,
        )

    def config(self, parameters: Sequence[Parameter], *, seconds: float | None) -> bigquery.QueryJobConfig:
        """What every query has in common: the dataset, the bound on its cost, no answers from a cache."""
        config = bigquery.QueryJobConfig(
            default_dataset=f"{self.project}.{self.dataset}",
            maximum_bytes_billed=self.settings.max_bytes_per_query,
            query_parameters=list(parameters),
            use_query_cache=False,
            labels=LABELS,
        )
        if seconds is not None:
            config.job_timeout_ms = int(seconds * 1_000)
        return config

    async def close(self) -> None:
        """Let go of threads and connections; what runs ends within its deadline."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(self.client.close)


def text(name: str, value: str) -> Parameter:
    """A parameter of a query."""
    return bigquery.ScalarQueryParameter(name, "STRING", value)


def texts(name: str, values: Sequence[str]) -> Parameter:
    """A parameter of a query that holds a list."""
    return bigquery.ArrayQueryParameter(name, "STRING", list(values))


def number(name: str, value: int) -> Parameter:
    """A parameter of a query."""
    return bigquery.ScalarQueryParameter(name, "INT64", value)
