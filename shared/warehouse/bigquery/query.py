"""Questions that people ask the warehouse in SQL: one statement, which can only read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import TimeoutError as WaitedTooLong
from functools import partial
from typing import Any, Final

from google.api_core.exceptions import BadRequest, GoogleAPIError, NotFound
from google.cloud import bigquery

from shared.errors import ConfigError
from shared.warehouse.bigquery.failures import reason_of, retry_for, words_of
from shared.warehouse.bigquery.rest import Rest
from shared.warehouse.queries import QueryResult

_GIGABYTE: Final = 2**30


async def run_query(
    rest: Rest, statement: str, parameters: Sequence[Any], max_rows: int, seconds: float | None
) -> QueryResult:
    """Run one reading statement; `ConfigError` when it is another one, cannot be run, or is too much.

    What it would read is asked first, which costs nothing. A caller that is cancelled stops the query.
    """
    given = [_parameter(value) for value in parameters]
    try:
        plan = await rest.dry_run(statement, given)
        _check(plan, rest.settings.max_bytes_per_query)
        return await _run(rest, statement, given, max_rows, seconds)
    except (BadRequest, NotFound) as error:
        if reason_of(error) == "bytesBilledLimitExceeded":
            raise
        raise ConfigError(
            f"the query cannot be run: {words_of(error)}",
            advice="Queries are in GoogleSQL and only read; `productive-ingest status` shows the tables.",
        ) from error


def _check(plan: bigquery.QueryJob, most: int) -> None:
    if plan.statement_type != "SELECT":
        raise ConfigError(
            "a query is one statement that reads", advice="Write a single SELECT (or WITH … SELECT)."
        )
    size = plan.total_bytes_processed or 0
    if size > most:
        raise ConfigError(
            f"the query would read {size / _GIGABYTE:.1f} GB, and may read {most / _GIGABYTE:g} GB",
            advice="Name fewer columns (BigQuery bills whole columns), or raise `max_gigabytes_per_query` "
            "in [bigquery] of the configuration.",
        )


async def _run(
    rest: Rest, statement: str, parameters: Sequence[Any], max_rows: int, seconds: float | None
) -> QueryResult:
    patience = min(seconds or rest.settings.query_seconds, rest.settings.query_seconds)
    config = rest.config(parameters, seconds=patience)
    job = await rest.call(
        rest.client.query, statement, job_config=config, location=rest.location, job_retry=None
    )
    retry = retry_for(rest.settings.call_seconds)
    read = partial(
        job.result, timeout=patience, retry=retry, job_retry=None, max_results=max_rows + 1, page_size=10_000
    )
    finished = False
    try:
        found = await rest.run(lambda: _read(read()))
        finished = True
    except WaitedTooLong as error:
        raise ConfigError(
            f"the query was stopped: it had not ended after {patience:g} seconds",
            advice="Ask for less (a WHERE, fewer tables), or give it more time.",
        ) from error
    finally:
        if not finished:
            await _cancel(rest, job)
    return QueryResult(found[0], found[1][:max_rows], truncated=len(found[1]) > max_rows)


def _read(found: Any) -> tuple[list[str], list[tuple[Any, ...]]]:
    fields = list(found.schema)
    rows = [
        tuple(_plain(field, value) for field, value in zip(fields, row.values(), strict=True))
        for row in found
    ]
    return [field.name for field in fields], rows


def _plain(field: bigquery.SchemaField, value: Any) -> Any:
    if field.field_type == "JSON" and value is not None:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return value


async def _cancel(rest: Rest, job: bigquery.QueryJob) -> None:
    try:
        await rest.call(job.cancel)
    except GoogleAPIError:
        # It has a time limit of its own, and perhaps it has just ended.
        return


def _parameter(value: Any) -> Any:
    kinds = {bool: "BOOL", int: "INT64", float: "FLOAT64", str: "STRING"}
    if isinstance(value, list | tuple):
        return bigquery.ArrayQueryParameter(
            None, kinds.get(type(value[0]) if value else str, "STRING"), list(value)
        )
    return bigquery.ScalarQueryParameter(None, kinds.get(type(value), "STRING"), value)
