"""From a `bigquery:` URL to an open warehouse."""

from __future__ import annotations

import asyncio
import re
from typing import Final

from google.api_core.client_options import ClientOptions
from google.api_core.exceptions import Conflict, Forbidden, NotFound
from google.cloud import bigquery
from google.cloud.bigquery_storage_v1.services.big_query_write import BigQueryWriteAsyncClient
from google.cloud.bigquery_storage_v1.services.big_query_write.transports import (
    BigQueryWriteGrpcAsyncIOTransport,
)

from shared.clock import Clock
from shared.errors import StorageError
from shared.google.commands import create_dataset
from shared.google.endpoints import BIGQUERY, STORAGE_WRITE, grpc_transport, rest_credentials
from shared.google.names import PROJECT, checked, parse_cloud_url
from shared.warehouse.bigquery.adapter import BigqueryWarehouse
from shared.warehouse.bigquery.appending import Appender
from shared.warehouse.bigquery.failures import is_passing, place_of, translated, words_of
from shared.warehouse.bigquery.rest import LABELS, Rest
from shared.warehouse.bigquery.settings import BigquerySettings

EXAMPLE: Final = "bigquery://my-project/productive"
DATASET: Final = re.compile(r"[A-Za-z0-9_]{1,1024}")
_TIME_TRAVEL_HOURS: Final = "48"
"""The least that BigQuery takes: what is purged stays readable for so long."""


async def connect(
    url: str, *, read_only: bool, clock: Clock, settings: BigquerySettings
) -> BigqueryWarehouse:
    """Open the dataset that the URL names, and make it unless `read_only`.

    `ConfigError` for a URL that names none, `StorageError` when it cannot be used or made, with the command
    that mends it, `UnreachableError` when BigQuery does not answer.
    """
    name = parse_cloud_url(url, example=EXAMPLE)
    project = checked(name.first, PROJECT, what="a project", example=EXAMPLE)
    dataset = checked(name.second, DATASET, what="a dataset", example=EXAMPLE)
    place = place_of(project, dataset)
    with translated(place):
        # Looking for credentials reads files and may ask the machine's metadata server.
        client = await asyncio.to_thread(_client, project)
        rest = Rest(client, dataset, settings)
        try:
            await _open(rest, read_only=read_only)
            appender = None if read_only else _appender(clock, settings)
        except BaseException:
            await rest.close()
            raise
    return BigqueryWarehouse(rest, appender, place, clock)


def _client(project: str) -> bigquery.Client:
    stand_in = BIGQUERY.stand_in
    options = None
    if stand_in is not None:
        options = ClientOptions(api_endpoint=stand_in if "://" in stand_in else f"http://{stand_in}")
    return bigquery.Client(project=project, credentials=rest_credentials(BIGQUERY), client_options=options)


def _appender(clock: Clock, settings: BigquerySettings) -> Appender:
    transport = grpc_transport(STORAGE_WRITE, BigQueryWriteGrpcAsyncIOTransport)
    return Appender(BigQueryWriteAsyncClient(transport=transport), clock=clock, settings=settings.append)


async def _open(rest: Rest, *, read_only: bool) -> None:
    name = f"{rest.project}.{rest.dataset}"
    try:
        found = await rest.call(rest.client.get_dataset, name)
    except NotFound as error:
        if read_only:
            raise StorageError(
                f"there is no dataset {name} yet ({words_of(error)})",
                advice="A `backfill` makes it. If there should be one, check the warehouse URL.",
            ) from error
        found = await _make(rest, name)
    rest.location = found.location or rest.location


async def _make(rest: Rest, name: str) -> bigquery.Dataset:
    wanted = bigquery.Dataset(name)
    wanted.description = "What productive-ingest brings from Productive."
    wanted.labels = dict(LABELS)
    wanted.max_time_travel_hours = int(_TIME_TRAVEL_HOURS)
    if rest.location:
        wanted.location = rest.location
    try:
        return await rest.call(rest.client.create_dataset, wanted)
    except Conflict:
        return await rest.call(rest.client.get_dataset, name)
    except Forbidden as error:
        if is_passing(error):
            raise
        raise StorageError(
            f"there is no dataset {name}, and this account may not make it ({words_of(error)})",
            advice=f"`{create_dataset(rest.project, rest.dataset)}` makes it; or give the account the role "
            f"roles/bigquery.user in {rest.project}.",
        ) from error
