"""What BigQuery refuses, and what does not answer, told in words; the server answers as it is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from shared.clock import SystemClock
from shared.errors import ConfigError, StorageError, UnreachableError
from shared.google.endpoints import BIGQUERY, STORAGE_WRITE
from shared.warehouse.bigquery.adapter import BigqueryWarehouse
from shared.warehouse.bigquery.connect import connect
from shared.warehouse.bigquery.settings import BigquerySettings

DATASET = "/bigquery/v2/projects/my-project/datasets/productive"
FOUND = (200, {"datasetReference": {"projectId": "my-project", "datasetId": "productive"}, "location": "EU"})


def refusal(code: int, reason: str, message: str) -> tuple[int, object]:
    """An error as BigQuery spells it (documented)."""
    each = {"reason": reason, "message": message, "domain": "global"}
    return code, {"error": {"code": code, "message": message, "errors": [each]}}


MISSING = refusal(404, "notFound", "Not found: Dataset my-project:productive")
BUSY = refusal(503, "backendError", "Try again")


@dataclass
class Script:
    """What is answered, in order, the last one for ever; and what was asked."""

    answers: list[tuple[int, object]]
    asked: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(f"{request.method} {request.path}")
        status, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return web.json_response(body, status=status)


@pytest.fixture
async def script(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Script]:
    script = Script([FOUND])
    app = web.Application()
    app.router.add_route("*", "/{anything:.*}", script.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    monkeypatch.setenv(BIGQUERY.variable, f"{host}:{port}")
    monkeypatch.setenv(STORAGE_WRITE.variable, f"{host}:{port}")
    yield script
    await runner.cleanup()


async def open_it(*, read_only: bool = False) -> BigqueryWarehouse:
    settings = BigquerySettings(call_seconds=2.0)
    return await connect(
        "bigquery://my-project/productive", read_only=read_only, clock=SystemClock(), settings=settings
    )


async def test_a_dataset_that_may_not_be_made_is_told_with_the_command_that_makes_it(script: Script) -> None:
    words = "Access Denied: Project my-project: User does not have bigquery.datasets.create permission"
    script.answers = [MISSING, refusal(403, "accessDenied", words)]
    with pytest.raises(StorageError, match=r"no dataset my-project\.productive") as caught:
        await open_it()
    assert "bigquery.datasets.create" in caught.value.message
    assert "bq --location=LOCATION mk --dataset my-project:productive" in caught.value.advice


async def test_a_reader_is_told_that_there_is_no_dataset_yet(script: Script) -> None:
    script.answers = [MISSING]
    with pytest.raises(StorageError, match=r"no dataset my-project\.productive yet \(Not found"):
        await open_it(read_only=True)
    assert script.asked == [f"GET {DATASET}"]


async def test_an_api_that_is_switched_off_is_told_with_the_command_that_switches_it_on(
    script: Script,
) -> None:
    words = "BigQuery API has not been used in project my-project before or it is disabled."
    script.answers = [refusal(403, "accessNotConfigured", words)]
    with pytest.raises(StorageError, match="switched off") as caught:
        await open_it()
    assert "gcloud services enable bigquery.googleapis.com" in caught.value.advice


async def test_the_right_to_ask_is_given_in_the_project(script: Script) -> None:
    warehouse = await open_it(read_only=True)
    words = "Access Denied: Project my-project: User does not have bigquery.jobs.create permission"
    script.answers = [refusal(403, "accessDenied", words)]
    with pytest.raises(StorageError, match=r"bigquery\.jobs\.create") as caught:
        await warehouse.query("SELECT 1")
    assert "--role=roles/bigquery.jobUser" in caught.value.advice
    await warehouse.close()


async def test_a_query_that_takes_too_long_is_stopped(script: Script) -> None:
    warehouse = await open_it(read_only=True)
    reference = {"projectId": "my-project", "jobId": "one", "location": "EU"}
    job = {"jobReference": reference, "configuration": {"query": {"query": "SELECT 1"}}}
    plan = {**job, "statistics": {"query": {"statementType": "SELECT", "totalBytesProcessed": "10"}}}
    running = {**job, "status": {"state": "RUNNING"}, "jobComplete": False, "job": job}
    script.answers = [(200, {**plan, "status": {"state": "DONE"}}), (200, running)]
    with pytest.raises(ConfigError, match=r"had not ended after 0\.2 seconds"):
        await warehouse.query("SELECT 1", seconds=0.2)
    assert script.asked[-1].endswith("/cancel")
    await warehouse.close()


async def test_a_query_that_would_read_too_much_is_not_even_begun(script: Script) -> None:
    warehouse = await open_it(read_only=True)
    statistics = {"query": {"statementType": "SELECT", "totalBytesProcessed": str(300 * 2**30)}}
    reference = {"projectId": "my-project", "jobId": "one", "location": "EU"}
    script.answers = [
        (200, {"jobReference": reference, "statistics": statistics, "configuration": {"query": {}}})
    ]
    with pytest.raises(ConfigError, match=r"would read 300\.0 GB, and may read 100 GB") as caught:
        await warehouse.query("SELECT * FROM deals")
    assert "max_gigabytes_per_query" in caught.value.advice
    assert len(script.asked) == 2
    await warehouse.close()


async def test_what_fails_in_passing_is_asked_again(script: Script) -> None:
    script.answers = [BUSY, refusal(403, "rateLimitExceeded", "Too fast"), FOUND]
    await (await open_it()).close()
    assert script.asked == [f"GET {DATASET}"] * 3


async def test_what_never_answers_ends_in_an_error_and_not_in_waiting(script: Script) -> None:
    script.answers = [BUSY]
    with pytest.raises(UnreachableError, match="BigQuery does not answer"):
        await open_it()


async def test_nobody_listens(monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int) -> None:
    monkeypatch.setenv(BIGQUERY.variable, f"127.0.0.1:{unused_tcp_port}")
    with pytest.raises(UnreachableError):
        await open_it()
