"""The doctor looks at a dataset of BigQuery: each thing that is wrong has its words and its command."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from google.cloud.bigquery_storage_v1 import types

from shared.clock import ManualClock
from shared.google.commands import LOG_IN
from shared.google.examination import Examination, Store
from shared.google.findings import Finding
from shared.google.monitoring import Monitoring
from shared.google.rights import ServiceRole
from shared.warehouse.bigquery.examine import examine
from tests.doctor import grpc_server
from tests.doctor.desk import found, told
from tests.doctor.grpc_server import GoogleServer, google_server
from tests.doctor.rest_server import RestServer, denied, rest_server, switched_off
from tests.google.monitoring_server import monitoring_server

URL = "bigquery://acme-data/productive"
DATASET = "GET /bigquery/v2/projects/acme-data/datasets/productive"
TABLES = f"{DATASET}/tables"
RIGHTS = "/bigquery/v2/projects/acme-data/datasets/productive/tables/deals:testIamPermissions"
REFERENCE = {"projectId": "acme-data", "datasetId": "productive"}
MEMBER = "serviceAccount:writer@acme-data.iam.gserviceaccount.com"
GRANT = (
    "bq query --project_id=acme-data --use_legacy_sql=false "
    "'GRANT `roles/bigquery.dataEditor` ON SCHEMA `acme-data`.`productive` "
    f'TO "{MEMBER}"\''
)
METHODS = {
    "google.cloud.bigquery.storage.v1.BigQueryWrite": [
        ("GetWriteStream", types.GetWriteStreamRequest.pb(), lambda request: request.name)
    ]
}


def table(name: str, **settings: str) -> dict[str, object]:
    return {"tableReference": {**REFERENCE, "tableId": name}, "type": "TABLE", **settings}


@pytest.fixture
async def bigquery(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RestServer]:
    """A dataset as it should be."""
    async with rest_server() as (server, url):
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", url)
        server.answers[DATASET] = {"datasetReference": REFERENCE, "location": "EU"}
        server.answers[TABLES] = {"tables": [table("people"), table("deals")], "totalItems": 2}
        server.held[RIGHTS] = None
        yield server


@pytest.fixture
async def write_api(bigquery: RestServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[GoogleServer]:
    async with google_server(METHODS) as (server, address):
        monkeypatch.setenv("BIGQUERY_STORAGE_EMULATOR_HOST", address)
        yield server


async def look(*services: ServiceRole) -> list[Finding]:
    wanted = frozenset(services or ServiceRole)
    examination = Examination(
        Store.WAREHOUSE, ManualClock(), member=MEMBER, services=wanted, tables=("deals", "invoices")
    )
    return list(await examine(URL, examination))


async def test_a_dataset_that_is_as_it_should_be_has_nothing_but_good_findings(
    bigquery: RestServer, write_api: GoogleServer
) -> None:
    findings = await look()
    assert {finding.state for finding in findings} == {"good"}
    assert told(findings, "is in EU; 1 of 2 tables chosen are in it").subject == "dataset productive"
    assert told(findings, "answers").subject == "Storage Write API"


async def test_the_receiver_needs_nothing_of_the_warehouse(bigquery: RestServer) -> None:
    assert await look(ServiceRole.SERVE) == []


async def test_a_dataset_that_is_not_there_comes_with_the_command_that_makes_it(bigquery: RestServer) -> None:
    bigquery.answers.clear()
    assert found(await look(), "problem") == [
        ("dataset productive", "bq --location=LOCATION mk --dataset acme-data:productive")
    ]


async def test_apis_that_are_switched_off_are_told_with_the_command(
    bigquery: RestServer, write_api: GoogleServer
) -> None:
    write_api.refusals["GetWriteStream"] = grpc_server.switched_off("bigquerystorage.googleapis.com")
    assert found(await look(), "problem") == [
        ("Storage Write API", "gcloud services enable bigquerystorage.googleapis.com --project acme-data")
    ]
    bigquery.refusals[DATASET] = switched_off("bigquery.googleapis.com")
    assert found(await look(), "problem") == [
        ("dataset productive", "gcloud services enable bigquery.googleapis.com --project acme-data")
    ]


async def test_a_default_expiration_of_tables_is_a_problem(bigquery: RestServer) -> None:
    bigquery.answers[DATASET]["defaultTableExpirationMs"] = str(60 * 86_400_000)
    finding = told(await look(), "every new table is deleted by itself after 60 days")
    assert (finding.state, finding.fix) == (
        "problem",
        "bq update --default_table_expiration=0 --dataset acme-data:productive",
    )


async def test_a_table_that_expires_is_a_problem(bigquery: RestServer) -> None:
    bigquery.answers[TABLES]["tables"].append(table("tasks", expirationTime="1800000000000"))
    finding = told(await look(), "deleted by themselves at a set time: tasks")
    assert (finding.state, finding.fix) == ("problem", "bq update --expiration=0 acme-data:productive.tasks")


async def test_missing_rights_on_tables_are_named_with_the_command_that_gives_them(
    bigquery: RestServer,
) -> None:
    bigquery.held[RIGHTS] = {"bigquery.tables.get", "bigquery.tables.getData"}
    finding = told(await look(ServiceRole.WRITER), "lacks the permissions")
    assert "bigquery.tables.updateData, bigquery.tables.update" in finding.text
    assert finding.fix == GRANT


async def test_a_crawl_only_reads_the_warehouse(bigquery: RestServer) -> None:
    bigquery.held[RIGHTS] = {"bigquery.tables.get"}
    finding = told(await look(ServiceRole.BACKFILL), "lacks the permission bigquery.tables.getData")
    assert finding.fix == GRANT.replace("dataEditor", "dataViewer")


async def test_questions_need_a_right_on_the_project(bigquery: RestServer) -> None:
    bigquery.statements["SELECT"] = denied("bigquery.jobs.create")
    finding = told(await look(), "bigquery.jobs.create")
    assert finding.fix == (
        f"gcloud projects add-iam-policy-binding acme-data --member={MEMBER} --role=roles/bigquery.jobUser"
    )


async def test_tables_that_may_not_be_made_are_found_out_by_a_dry_run(bigquery: RestServer) -> None:
    bigquery.statements["CREATE"] = denied("bigquery.tables.create")
    finding = told(await look(), "lacks the permission bigquery.tables.create")
    assert (finding.state, finding.fix) == ("problem", GRANT)


async def test_an_empty_dataset_is_no_problem(bigquery: RestServer, write_api: GoogleServer) -> None:
    bigquery.answers[TABLES] = {"totalItems": 0}
    assert {finding.state for finding in await look()} == {"good"}


async def test_credentials_that_are_refused_are_told_with_the_command(bigquery: RestServer) -> None:
    bigquery.refusals[DATASET] = (401, "Invalid credentials.", "authError")
    assert told(await look(), "no valid Google credentials").fix == LOG_IN


async def test_other_refusals_are_told_in_googles_words(bigquery: RestServer) -> None:
    bigquery.refusals[DATASET] = (400, "That will not do.", "invalid")
    finding = told(await look(), "That will not do.")
    assert (finding.state, finding.fix) == ("problem", "")
    assert "http://" not in finding.text


async def test_rights_that_cannot_be_asked_about_hide_nothing_else(bigquery: RestServer) -> None:
    bigquery.refusals[f"POST {RIGHTS}"] = (403, "Access Denied: no.", "accessDenied")
    bigquery.statements["CREATE"] = (400, "Syntax error.", "invalidQuery")
    findings = await look(ServiceRole.WRITER)
    assert told(findings, "Access Denied: no.").fix == GRANT
    assert told(findings, "Syntax error.").state == "problem"
    assert told(findings, "may be asked").state == "good"


async def test_a_server_in_trouble_is_a_problem_at_once(bigquery: RestServer) -> None:
    bigquery.refusals[DATASET] = (503, "try again", "backendError")
    assert "does not answer" in told(await look(), "try again").text
    assert bigquery.asked == [DATASET]


async def test_connections_that_nobody_closed_are_told(
    bigquery: RestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with monitoring_server() as (metrics, address):
        monkeypatch.setenv("MONITORING_EMULATOR_HOST", address)
        clock = ManualClock()
        monitoring = Monitoring("acme-data", clock)
        name = "bigquerystorage.googleapis.com/write/concurrent_connections"
        examination = Examination(Store.WAREHOUSE, clock, metrics=monitoring, tables=("deals", "people"))
        for count, state in ((2, "good"), (40, "warning")):
            metrics.add(name, count, at_us=clock.now_us())
            finding = told(list(await examine(URL, examination)), "are open for writing")
            assert (finding.subject, finding.state) == ("connections", state)
            clock.advance(60)
        await monitoring.close()
