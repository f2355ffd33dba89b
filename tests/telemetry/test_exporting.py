"""Traces are off unless they are configured, and no setting of theirs keeps a service from its work."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.sandbox import Sandbox, SandboxSettings
from shared.telemetry import tracing
from shared.telemetry.exporting import exporting
from tests.e2e.harness import Home
from tests.telemetry.collector import Collector, collecting


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("OTEL_", "K_", "CLOUD_RUN", "GOOGLE_"))]:
        monkeypatch.delenv(name)


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as started:
        yield started


OFF: tuple[dict[str, str], ...] = (
    {},
    {"OTEL_SERVICE_NAME": "ours"},
    {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"},
    {"OTEL_SDK_DISABLED": "TRUE", "OTEL_TRACES_EXPORTER": "otlp"},
    {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
)


@pytest.mark.parametrize("variables", OFF)
def test_it_is_off_unless_an_exporter_is_configured(
    variables: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    with exporting(variables, command="run"):
        assert not tracing.is_on()
    assert caplog.records == []


WRONG = (
    ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER is 'zipkin'; there are otlp and none"),
    (
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
        "'grpc' is not built in",
    ),
    ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"}, "must begin with http://"),
    ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_BSP_MAX_QUEUE_SIZE": "-5"}, "check the variables OTEL_*"),
)


@pytest.mark.parametrize(("variables", "told"), WRONG)
def test_a_wrong_setting_is_told_and_nothing_is_traced(
    variables: dict[str, str],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with exporting(os.environ, command="run"):
        assert not tracing.is_on()
    [record] = [record for record in caplog.records if record.name.startswith("shared")]
    assert record.levelno == logging.ERROR
    assert told in record.getMessage()


def test_without_the_extra_packages_it_says_how_to_install_them(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with exporting({"OTEL_TRACES_EXPORTER": "otlp"}, command="run"):
        assert not tracing.is_on()
    assert "pip install 'productive-ingest[cloud]'" in caplog.text


def test_headers_hold_keys_and_are_never_quoted(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-api-key=key-in-order,Bearer key-astray")
    with exporting(os.environ, command="run"), tracing.span("work"):
        pass
    assert collector.headers[0]["x-api-key"] == "key-in-order"
    assert "is not of the form name=value" in caplog.text
    assert "key-" not in caplog.text


def test_a_collector_that_refuses_costs_a_line_of_the_log_and_no_more(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1")
    collector.status = 403
    with exporting(os.environ, command="run"):
        for _ in range(20):
            with tracing.span("work"):
                pass
    assert len(collector.bodies) > 1
    assert len([record for record in caplog.records if record.name.startswith("opentelemetry")]) <= 1


def test_the_queue_is_bounded_while_nobody_takes_anything(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    with exporting(os.environ, command="run"):
        for _ in range(5_000):
            with tracing.span("work"):
                pass
    assert len([record for record in caplog.records if record.name.startswith("opentelemetry")]) <= 3


def test_while_it_is_off_nothing_of_it_is_even_imported(tmp_path: Path) -> None:
    program = (
        "import sys, json\n"
        "from services.cli.main import run\n"
        "code = run(['status', '--json', '--data-dir', sys.argv[1]])\n"
        "loaded = [name for name in sys.modules if name.startswith(('opentelemetry', 'google.', 'grpc'))]\n"
        "print(json.dumps({'code': code, 'loaded': loaded}), file=sys.stderr)\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    ended = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
        timeout=60,
    )
    assert json.loads(ended.stderr.splitlines()[-1]) == {"code": 0, "loaded": []}


async def test_a_crawl_is_one_trace_with_its_tables_and_everything_that_was_written(
    tmp_path: Path, collector: Collector
) -> None:
    async with Sandbox(SandboxSettings(people=3)) as sandbox:
        variables = {
            "PRODUCTIVE_API_URL": sandbox.url,
            "PRODUCTIVE_API_TOKEN": sandbox.token,
            "PRODUCTIVE_ORGANIZATION_ID": sandbox.organization_id,
            "PRODUCTIVE_LIMIT_SCALE": "1000",
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{collector.url}/v1/traces",
            "CLOUD_RUN_JOB": "crawl-nightly",
        }
        home = Home(tmp_path, variables)
        home.only("deals", "people")
        ended = await asyncio.to_thread(home.run, "backfill")
        assert ended.code == 0
    crawl = collector.only("crawl")
    tables = {span.attributes["productive.table"]: span for span in collector.named("crawl table")}
    assert set(tables) == {"deals", "people"}
    assert {span.parent for span in tables.values()} == {crawl.id}
    assert all("page" in span.events for span in tables.values())
    assert tables["people"].attributes["productive.status"] == "done"
    writes = {span.attributes["db.collection.name"] for span in collector.named("warehouse.write")}
    assert writes == {"deals", "people"}
    links = {link for span in collector.named("process records") for link in span.links}
    assert links == {span.place for span in tables.values()}
    assert {span.resource["service.name"] for span in collector.spans} == {"crawl-nightly"}
    assert sandbox.token.encode() not in b"".join(collector.bodies)
    assert_every_line_is_a_log_entry(ended.stderr, sandbox.token)


def assert_every_line_is_a_log_entry(stderr: str, token: str) -> None:
    entries = [json.loads(line) for line in stderr.splitlines()]
    assert entries
    assert {"severity", "message", "time"} <= set.intersection(*(set(entry) for entry in entries))
    assert token not in stderr
