"""Looks at a dataset of BigQuery: whether it is there and keeps what is in it, and what this account may do.

BigQuery says which rights an account has on a table, not on a dataset. Whether tables may be made and queries
be asked is found out by dry runs, which cost nothing and change nothing; that a dry run needs the same rights
is not documented for every statement, so that a refusal is certain and a consent is not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from google.api_core import exceptions
from google.api_core.client_options import ClientOptions
from google.api_core.retry import Retry, if_exception_type
from google.cloud.bigquery import Client, QueryJobConfig
from google.cloud.bigquery_storage_v1.services.big_query_write import BigQueryWriteAsyncClient
from google.cloud.bigquery_storage_v1.services.big_query_write.transports import (
    BigQueryWriteGrpcAsyncIOTransport,
)

from shared.errors import IngestError
from shared.google.commands import (
    create_dataset,
    grant_on_dataset,
    grant_on_project,
    update_dataset,
    update_table,
)
from shared.google.endpoints import BIGQUERY, STORAGE_WRITE, Service, grpc_transport, rest_credentials
from shared.google.examination import CALL_SECONDS, Examination, lacking
from shared.google.failures import Place
from shared.google.findings import Finding, good, problem, warning
from shared.google.names import PROJECT, checked, parse_cloud_url
from shared.google.refusals import refused
from shared.google.rights import Resource, Right, ServiceRole, missing, permissions_of, rights_on
from shared.room import duration
from shared.warehouse.bigquery.connect import DATASET, EXAMPLE

_PROBE: Final = "productive_ingest_doctor"
_CONNECTIONS: Final = "bigquerystorage.googleapis.com/write/concurrent_connections"
_MOST_TABLES: Final = 5_000
_MOST_NAMED: Final = 5
_ONCE: Final = Retry(predicate=if_exception_type())
"""Never again: who examines tells at once."""

_CREATE: Final = "bigquery.tables.create"


@dataclass(frozen=True)
class _Desk:
    """The dataset that is examined, and on whose behalf."""

    client: Client
    project: str
    dataset: str
    examination: Examination

    @property
    def subject(self) -> str:
        return f"dataset {self.dataset}"

    def place(self, service: Service, role: str) -> Place:
        return Place(service, f"the dataset {self.dataset}", self.project, role)

    def grant(self, role: str) -> str:
        return grant_on_dataset(self.project, self.dataset, self.examination.member, role)

    def rights(self) -> Sequence[Right]:
        return rights_on(Resource.DATASET, self.examination.services)


async def examine(url: str, examination: Examination) -> Sequence[Finding]:
    """See `shared.google.examination`."""
    name = parse_cloud_url(url, example=EXAMPLE)
    project = checked(name.first, PROJECT, what="a project", example=EXAMPLE)
    dataset = checked(name.second, DATASET, what="a dataset", example=EXAMPLE)
    if not rights_on(Resource.DATASET, examination.services):
        return []
    client = await asyncio.to_thread(_client, project)
    try:
        return await _look(_Desk(client, project, dataset, examination))
    finally:
        client.close()


async def _look(desk: _Desk) -> Sequence[Finding]:
    try:
        dataset = await asyncio.to_thread(
            desk.client.get_dataset, f"{desk.project}.{desk.dataset}", retry=_ONCE, timeout=CALL_SECONDS
        )
        tables = await asyncio.to_thread(_tables, desk)
    except Exception as error:
        role = desk.rights()[0].role
        create = create_dataset(desk.project, desk.dataset)
        found = refused(
            desk.subject, error, desk.place(BIGQUERY, role), grant=desk.grant(role), create=create
        )
        return [found]
    findings = [_location(desk, dataset, tables), *_expiring(desk, dataset, tables)]
    probes = await asyncio.gather(
        _table_rights(desk, tables),
        _questions(desk, dataset.location),
        _write_path(desk, tables),
        _connections(desk),
    )
    return [*findings, *(finding for probe in probes for finding in probe)]


def _client(project: str) -> Client:
    stand_in = BIGQUERY.stand_in
    options = None
    if stand_in is not None:
        options = ClientOptions(api_endpoint=stand_in if "://" in stand_in else f"http://{stand_in}")
    return Client(project=project, credentials=rest_credentials(BIGQUERY), client_options=options)


def _tables(desk: _Desk) -> Sequence[Any]:
    return list(
        desk.client.list_tables(
            f"{desk.project}.{desk.dataset}", max_results=_MOST_TABLES, retry=_ONCE, timeout=CALL_SECONDS
        )
    )


def _location(desk: _Desk, dataset: Any, tables: Sequence[Any]) -> Finding:
    there = {table.table_id for table in tables}
    chosen = desk.examination.tables
    count = f"; {len(there.intersection(chosen))} of {len(chosen)} tables chosen are in it" if chosen else ""
    return good(desk.subject, f"is in {dataset.location}{count}")


def _expiring(desk: _Desk, dataset: Any, tables: Sequence[Any]) -> Sequence[Finding]:
    findings = []
    if dataset.default_table_expiration_ms:
        after = duration(dataset.default_table_expiration_ms / 1_000)
        fix = update_dataset(desk.project, desk.dataset, "--default_table_expiration=0")
        findings.append(problem(desk.subject, f"every new table is deleted by itself after {after}", fix))
    expiring = [table.table_id for table in tables if table.expires is not None]
    if expiring:
        names = ", ".join(expiring[:_MOST_NAMED]) + (" and more" if len(expiring) > _MOST_NAMED else "")
        commands = [update_table(desk.project, desk.dataset, name, "--expiration=0") for name in expiring]
        text = f"{len(expiring)} tables are deleted by themselves at a set time: {names}"
        findings.append(problem(desk.subject, text, " && ".join(commands[:_MOST_NAMED])))
    return findings


async def _table_rights(desk: _Desk, tables: Sequence[Any]) -> Sequence[Finding]:
    """Asked of one table, as rights are given on the dataset."""
    chosen = [table for table in tables if table.table_id in desk.examination.tables] or list(tables)
    needed = [right for right in desk.rights() if _CREATE not in right.permissions]
    if not chosen:
        return ()
    try:
        answer = await asyncio.to_thread(
            desk.client.test_iam_permissions,
            chosen[0].reference,
            permissions_of(needed),
            retry=_ONCE,
            timeout=CALL_SECONDS,
        )
    except (exceptions.NotFound, exceptions.MethodNotAllowed):
        return ()  # deleted meanwhile, or a stand-in that knows no rights
    except Exception as error:
        role = needed[0].role
        return [refused(desk.subject, error, desk.place(BIGQUERY, role), grant=desk.grant(role))]
    lost = missing(needed, answer.get("permissions", ()))
    member = desk.examination.member
    return [lacking(desk.subject, right, member, desk.grant(right.role)) for right in lost] or [
        good(desk.subject, "this account has all rights on its tables")
    ]


async def _questions(desk: _Desk, location: str) -> Sequence[Finding]:
    findings = []
    member = desk.examination.member
    asks = any(
        "bigquery.jobs.create" in right.permissions
        for right in rights_on(Resource.PROJECT, desk.examination.services)
    )
    if asks:
        try:
            await asyncio.to_thread(_dry_run, desk, "SELECT 1", location)
        except Exception as error:
            role = "roles/bigquery.jobUser"
            grant = grant_on_project(desk.project, member, role)
            return [refused("queries", error, desk.place(BIGQUERY, role), grant=grant)]
        findings.append(good("queries", "may be asked"))
    makes = [right for right in desk.rights() if _CREATE in right.permissions]
    if makes:
        statement = f"CREATE TABLE `{desk.project}.{desk.dataset}.{_PROBE}` (id STRING)"
        try:
            await asyncio.to_thread(_dry_run, desk, statement, location)
        except exceptions.Forbidden:
            findings.append(lacking(desk.subject, makes[0], member, desk.grant(makes[0].role)))
        except Exception as error:
            role = makes[0].role
            findings.append(refused(desk.subject, error, desk.place(BIGQUERY, role), grant=desk.grant(role)))
    return findings


def _dry_run(desk: _Desk, statement: str, location: str) -> None:
    config = QueryJobConfig(dry_run=True, use_query_cache=False)
    desk.client.query(
        statement, job_config=config, location=location, retry=_ONCE, job_retry=_ONCE, timeout=CALL_SECONDS
    )


async def _write_path(desk: _Desk, tables: Sequence[Any]) -> Sequence[Finding]:
    """Whether the other API, the one that rows go through, is switched on."""
    if ServiceRole.WRITER not in desk.examination.services:
        return ()
    if BIGQUERY.stand_in is not None and STORAGE_WRITE.stand_in is None:
        return ()
    table = tables[0].table_id if tables else _PROBE
    path = f"projects/{desk.project}/datasets/{desk.dataset}/tables/{table}/streams/_default"
    client = BigQueryWriteAsyncClient(
        transport=grpc_transport(STORAGE_WRITE, BigQueryWriteGrpcAsyncIOTransport)
    )
    role = "roles/bigquery.dataEditor"
    try:
        await client.get_write_stream(name=path, retry=None, timeout=CALL_SECONDS)
    except exceptions.NotFound:
        pass  # no table yet: whoever says so is switched on
    except Exception as error:
        return [refused("Storage Write API", error, desk.place(STORAGE_WRITE, role), grant=desk.grant(role))]
    finally:
        await client.transport.close()
    return [good("Storage Write API", "answers")]


async def _connections(desk: _Desk) -> Sequence[Finding]:
    """Connections that are open for writing in the whole project; a writer opens at most one per table."""
    metrics, tables = desk.examination.metrics, len(desk.examination.tables)
    if metrics is None or not tables:
        return ()
    try:
        count = sum(point.value for point in await metrics.latest(_CONNECTIONS))
    except IngestError:
        return ()  # told once, where the quotas are
    text = f"{count:,.0f} are open for writing in {desk.project}, and {tables} tables are chosen"
    if count > 2 * tables:
        return [warning("connections", f"{text}: writers that ended may have left theirs behind")]
    return [good("connections", text)] if count else ()
