"""Log lines are readable on a terminal, and whole JSON objects where Cloud Logging reads them."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.output import Output
from shared.telemetry import tracing
from shared.telemetry.cloud import project, service_name
from shared.telemetry.exporting import exporting
from shared.telemetry.logging import CloudFormatter, is_structured, severity
from shared.telemetry.seldom import Seldom
from tests.e2e.harness import Home
from tests.telemetry.collector import collecting

LABELS = "logging.googleapis.com/labels"
PLACE = "logging.googleapis.com/sourceLocation"
TRACE = "logging.googleapis.com/trace"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(CloudFormatter("acme-sync"))
    log.addHandler(handler)
    yield stream
    log.removeHandler(handler)


log = logging.getLogger("services.test")
log.setLevel(logging.DEBUG)
log.propagate = False


def entries(lines: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.getvalue().splitlines()]


def test_a_line_is_one_json_object_with_the_fields_that_cloud_logging_knows(lines: io.StringIO) -> None:
    log.info("%d tables", 57)
    [entry] = entries(lines)
    assert entry.pop("time").endswith("Z")
    assert entry == {"severity": "INFO", "message": "57 tables", LABELS: {"logger": "services.test"}}


def test_warnings_and_worse_say_where_they_come_from(lines: io.StringIO) -> None:
    log.warning("careful")
    [entry] = entries(lines)
    assert entry["severity"] == "WARNING"
    assert entry[PLACE]["file"] == __file__
    assert entry[PLACE]["function"] == "test_warnings_and_worse_say_where_they_come_from"
    assert isinstance(entry[PLACE]["line"], str)


@pytest.mark.parametrize(
    ("level", "word"),
    [
        (logging.CRITICAL, "CRITICAL"),
        (logging.ERROR, "ERROR"),
        (logging.WARNING, "WARNING"),
        (logging.INFO, "INFO"),
        (logging.DEBUG, "DEBUG"),
        (logging.INFO + 5, "INFO"),
        (logging.CRITICAL + 50, "CRITICAL"),
        (1, "DEFAULT"),
    ],
)
def test_every_level_has_its_severity(level: int, word: str) -> None:
    assert severity(level) == word


def test_an_exception_is_in_the_message_of_one_line(lines: io.StringIO) -> None:
    def fail() -> None:
        raise ValueError("two\nlines")

    try:
        fail()
    except ValueError:
        log.exception("it failed")
    [entry] = entries(lines)
    assert entry["severity"] == "ERROR"
    first, second, *_, last = entry["message"].splitlines()
    assert (first, second, last) == ("it failed", "Traceback (most recent call last):", "lines")
    assert "in fail" in entry["message"]


def test_a_mistake_in_a_call_does_not_cost_the_line() -> None:
    record = logging.LogRecord("services", logging.INFO, "", 1, "%d tables of %s", ("many",), None)
    assert json.loads(CloudFormatter(None).format(record))["message"] == "%d tables of %s"


def test_a_huge_message_keeps_its_beginning_and_its_end(lines: io.StringIO) -> None:
    log.error("begin %s end", "x" * 1_000_000)
    [entry] = entries(lines)
    assert len(lines.getvalue()) < 256 * 1024
    assert entry["message"].startswith("begin")
    assert entry["message"].endswith("end")


@given(st.text())
def test_whatever_is_in_a_message_it_is_one_line_of_ascii_that_can_be_read_again(text: str) -> None:
    record = logging.LogRecord("services", logging.INFO, __file__, 1, "%s", (text,), None)
    line = CloudFormatter(None).format(record)
    assert line.isascii()
    assert "\n" not in line
    assert json.loads(line)["message"] == text


def test_lines_belong_to_the_trace_that_is_under_way(
    lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        with exporting({"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}, command="run"):
            log.info("before")
            with tracing.span("work"):
                log.info("during")
    before, during = entries(lines)
    work = collector.only("work")
    assert TRACE not in before
    assert during[TRACE] == f"projects/acme-sync/traces/{work.trace}"
    assert during["logging.googleapis.com/spanId"] == work.id
    assert during["logging.googleapis.com/trace_sampled"] is True


@pytest.mark.parametrize(
    ("environment", "structured"),
    [
        ({}, False),
        ({"K_SERVICE": "receiver"}, True),
        ({"CLOUD_RUN_JOB": "crawl"}, True),
        ({"CLOUD_RUN_WORKER_POOL": "writer"}, True),
        ({"LOG_FORMAT": "json"}, True),
        ({"LOG_FORMAT": "TEXT", "K_SERVICE": "receiver"}, False),
        ({"LOG_FORMAT": "xml", "K_SERVICE": "receiver"}, True),
        ({"LOG_FORMAT": "xml"}, False),
    ],
)
def test_it_is_structured_on_cloud_run_or_where_that_is_asked_for(
    environment: dict[str, str], structured: bool
) -> None:
    assert is_structured(environment) is structured


@pytest.mark.parametrize(
    ("environment", "ours"),
    [
        ({}, None),
        ({"GOOGLE_CLOUD_PROJECT": "one-project", "BUS_URL": "pubsub://other/topic"}, "one-project"),
        ({"BUS_URL": "pubsub://other/topic"}, "other"),
        ({"BUS_URL": "sqlite:///bus", "WAREHOUSE_URL": "bigquery://third/dataset"}, "third"),
        ({"WAREHOUSE_URL": "duckdb:///warehouse"}, None),
    ],
)
def test_the_project_is_the_one_that_is_set_or_the_one_that_the_stores_are_in(
    environment: dict[str, str], ours: str | None
) -> None:
    assert project(environment) == ours
    assert service_name(environment) is None


def test_a_logger_that_repeats_itself_is_heard_once_a_minute() -> None:
    now = 0.0
    seldom = Seldom(pause=60, now=lambda: now)

    def said() -> str | None:
        record = logging.LogRecord("x", logging.ERROR, "", 1, "no %s", ("answer",), None)
        return record.getMessage() if seldom.filter(record) else None

    assert [said(), said(), said()] == ["no answer", None, None]
    now = 61.0
    assert said() == "no answer (2 more like this)"


@pytest.mark.parametrize(
    ("style", "level"), [("", logging.INFO), ("dim", logging.INFO), ("yellow", logging.WARNING)]
)
def test_a_remark_is_as_urgent_as_its_color(
    style: str, level: int, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO, logger="services")
    output = Output(as_json=True, as_log=True)
    output.note("57 %s tables", style=style)
    [record] = caplog.records
    assert (record.levelno, record.getMessage()) == (level, "57 %s tables")
    assert not output.interactive
    assert capsys.readouterr() == ("", "")


def test_on_cloud_run_remarks_errors_and_crashes_are_entries_and_the_result_is_not(tmp_path: Path) -> None:
    home = Home(tmp_path, {"K_SERVICE": "receiver", "PRODUCTIVE_API_TOKEN": "token-of-ours"})
    told = home.run("serve", "--json")
    [entry] = [json.loads(line) for line in told.stderr.splitlines()]
    assert told.code == 2
    assert entry["severity"] == "ERROR"
    assert entry["message"].startswith("no organization is set. Set PRODUCTIVE_ORGANIZATION_ID")
    wrong = json.loads(home.run("serve", "--prot", "1").stderr)
    assert "--prot" in wrong["message"]
    assert home.run("status", "--json").json["tables"]


def test_a_crash_is_one_entry_with_its_traceback(tmp_path: Path) -> None:
    program = (
        "import warnings\n"
        "from shared.telemetry.logging import configure\n"
        "configure({'LOG_FORMAT': 'json'})\n"
        "warnings.warn('old')\n"
        "raise RuntimeError('a bug')\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    warning, crash = [json.loads(line) for line in ended.stderr.splitlines()]
    assert (warning["severity"], "old" in warning["message"]) == ("WARNING", True)
    assert crash["severity"] == "CRITICAL"
    assert crash["message"].endswith("RuntimeError: a bug")


def test_on_a_terminal_it_is_as_it_was(tmp_path: Path) -> None:
    home = Home(tmp_path, {"PRODUCTIVE_API_TOKEN": "token-of-ours"})
    assert home.run("backfill").stderr.startswith(
        "error: no organization is set\n  Set PRODUCTIVE_ORGANIZATION"
    )
