"""`init` describes an installation in two files, once token and project are known to be good."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from services.cli.commands.init import init
from services.cli.init import answers as rules
from services.cli.init.answers import Answers, location_for, rule
from services.cli.init.files import terraform_variables
from shared.config import load_settings
from shared.errors import ConfigError, CredentialsError
from shared.google.project import RESOURCE_MANAGER, look_at_project
from tests.cli.town import Town, town

ROOT = Path(__file__).parents[2]
TERRAFORM = ROOT / "infra/terraform"
OPTIONS = ("--project", "acme-data", "--name", "acme", "--alert-email", "data@acme.example")
FILES = ("infra/terraform/terraform.tfvars", "productive-ingest.toml")


@pytest.fixture(scope="module")
def agency(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with town(tmp_path_factory.mktemp("town")) as opened:
        yield opened


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "infra/terraform").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@contextmanager
def resource_manager(status: int, content: Any) -> Iterator[str]:
    """A stand-in that answers every request alike; yields its address."""

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == "/v3/projects/acme-data"
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


ACTIVE = {"projectId": "acme-data", "name": "projects/1", "state": "ACTIVE"}


def variables(agency: Town, manager: str) -> dict[str, str]:
    return {
        "PRODUCTIVE_API_URL": agency.sandbox.url,
        "PRODUCTIVE_API_TOKEN": agency.sandbox.token,
        "PRODUCTIVE_ORGANIZATION_ID": agency.sandbox.organization_id,
        "PRODUCTIVE_LIMIT_SCALE": "10000",
        RESOURCE_MANAGER.variable: manager,
    }


def run(agency: Town, *arguments: str, manager: tuple[int, Any] = (200, ACTIVE), **changed: str) -> Result:
    with resource_manager(*manager) as address:
        environ = {**variables(agency, address), **changed}
        return CliRunner().invoke(init, [*OPTIONS, *arguments], env=environ, standalone_mode=False)


def refused(result: Result, kind: type[Exception]) -> str:
    """What it said, after making sure that nothing was written."""
    assert isinstance(result.exception, kind), result.output
    assert not [name for name in FILES if Path(name).exists()]
    return str(result.exception)


def test_it_writes_both_files_and_says_what_comes_next(agency: Town, checkout: Path) -> None:
    result = run(agency, "--operator", "user:ada@acme.example")
    assert result.exception is None
    written = (checkout / FILES[0]).read_text()
    assert re.search(r'^project +=\s"acme-data"$', written, re.MULTILINE)
    assert f'organization_id = "{agency.sandbox.organization_id}"' in written
    assert 'config_file     = "../../productive-ingest.toml"' in written
    assert 'operators    = ["user:ada@acme.example"]' in written
    assert "terraform -chdir=infra/terraform apply" in result.stdout
    assert re.search(r"can read \d+ of \d+ tables", result.stdout)


def test_the_configuration_leads_the_commands_to_what_terraform_makes(agency: Town, checkout: Path) -> None:
    assert run(agency, "--region", "us-central1").exception is None
    settings = load_settings(None, {}, {})
    assert settings.organization_id == agency.sandbox.organization_id
    assert settings.bus_url == "pubsub://acme-data/productive-acme-records"
    assert settings.intake_url == "pubsub://acme-data/productive-acme-deliveries"
    assert settings.warehouse_url == "bigquery://acme-data/productive_acme"
    assert settings.objects_url == "gs://acme-data-productive-acme/state"
    assert settings.secrets_url == "secretmanager://acme-data/productive-acme"
    assert settings.bigquery_location == "US"


def test_the_token_is_in_no_file_and_in_no_line(agency: Town, checkout: Path) -> None:
    result = run(agency)
    assert agency.sandbox.token not in result.output
    assert sorted(str(path) for path in checkout.rglob("*") if path.is_file()) == sorted(
        str(checkout / name) for name in FILES
    )
    for name in FILES:
        assert agency.sandbox.token not in (checkout / name).read_text()


def test_with_json_the_result_is_one_object(agency: Town, checkout: Path) -> None:
    found = json.loads(run(agency, "--json").stdout)
    assert found["files"] == list(FILES)
    assert found["project"]["state"] == "good"
    assert found["answers"]["region"] == "europe-west1"
    assert found["answers"]["bigquery_location"] == "EU"
    assert all(one["readable"] for one in found["tables"])
    assert found["next"][-1].startswith("terraform ")


@pytest.mark.parametrize("there", FILES)
def test_a_file_that_is_there_is_replaced_only_with_force(agency: Town, checkout: Path, there: str) -> None:
    (checkout / there).write_text("")
    first = run(agency)
    assert isinstance(first.exception, ConfigError)
    assert "is there already" in first.exception.message
    assert (checkout / there).read_text() == ""
    assert run(agency, "--force").exception is None
    assert (checkout / there).read_text()


def test_a_token_that_productive_refuses_ends_it_before_anything_is_written(
    agency: Town, checkout: Path
) -> None:
    refused(run(agency, PRODUCTIVE_API_TOKEN="wrong"), CredentialsError)


def test_without_a_token_and_a_terminal_it_says_where_to_put_one(agency: Town, checkout: Path) -> None:
    assert "no API token" in refused(run(agency, PRODUCTIVE_API_TOKEN=""), ConfigError)


def test_what_cannot_be_guessed_has_to_be_said(checkout: Path) -> None:
    environ = {"PRODUCTIVE_ORGANIZATION_ID": ""}
    without = CliRunner().invoke(init, ["--no-check"], env=environ, standalone_mode=False)
    assert "--project" in refused(without, click.UsageError)
    half = CliRunner().invoke(init, ["--no-check", *OPTIONS], env=environ, standalone_mode=False)
    assert "--organization-id" in refused(half, click.UsageError)


def test_without_the_checks_it_needs_nobody(checkout: Path) -> None:
    arguments = ["--no-check", "--json", *OPTIONS, "--organization-id", "42"]
    environ = {"PRODUCTIVE_API_TOKEN": "", "PRODUCTIVE_API_URL": "http://127.0.0.1:9"}
    result = CliRunner().invoke(init, arguments, env=environ, standalone_mode=False)
    assert result.exception is None
    assert json.loads(result.stdout)["project"] is None


def test_outside_of_a_checkout_it_asks_for_the_folder(
    agency: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "there is no folder infra/terraform" in refused(run(agency), ConfigError)
    (tmp_path / "elsewhere").mkdir()
    assert run(agency, "--terraform", "elsewhere").exception is None
    assert '"../productive-ingest.toml"' in (tmp_path / "elsewhere/terraform.tfvars").read_text()


DISABLED = {"error": {"code": 403, "details": [{"reason": "SERVICE_DISABLED"}]}}


@pytest.mark.parametrize(
    ("status", "content", "state"),
    [
        (200, ACTIVE, "good"),
        (200, {"state": "DELETE_REQUESTED"}, "problem"),
        (403, {"error": {"status": "PERMISSION_DENIED"}}, "problem"),
        (404, {}, "problem"),
        (403, DISABLED, "unknown"),
        (200, [], "unknown"),
        (401, {"error": "who?"}, "unknown"),
        (302, {}, "unknown"),
        (503, None, "unknown"),
    ],
)
def test_a_project_is_refused_only_when_google_says_no(
    monkeypatch: pytest.MonkeyPatch, status: int, content: Any, state: str
) -> None:
    with resource_manager(status, content) as address:
        monkeypatch.setenv(RESOURCE_MANAGER.variable, address)
        assert look_at_project("acme-data").state == state


def test_a_project_that_nobody_can_be_asked_about_does_not_stop_it(agency: Town, checkout: Path) -> None:
    result = run(agency, "--json", RESOURCE_MANAGER_EMULATOR_HOST="127.0.0.1:9")
    assert json.loads(result.stdout)["project"]["state"] == "unknown"


def test_on_a_laptop_without_googles_clients_it_goes_on(
    agency: Town, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "shared.google.project")
    monkeypatch.setitem(sys.modules, "google.auth", None)
    found = json.loads(run(agency, "--json").stdout)
    assert found["project"]["state"] == "unknown"
    assert "not installed" in found["project"]["text"]


def test_a_project_that_there_is_not_stops_it(agency: Town, checkout: Path) -> None:
    assert "may not see it" in refused(run(agency, manager=(403, {})), ConfigError)


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--project", "Acme Data", "a project's id"),
        ("--project", "123456789", "a project's id"),
        ("--region", "europe-west1-b", "not a zone"),
        ("--bigquery-location", "Europe", "EU, US"),
        ("--name", "Acme", "lower-case"),
        ("--organization-id", "12345-acme", "before the first dash"),
        ("--alert-email", "nobody", "data@example.com"),
        ("--operator", "ada@acme.example", "user:NAME"),
    ],
)
def test_an_answer_that_terraform_would_refuse_is_refused_here(
    agency: Town, checkout: Path, option: str, value: str, told: str
) -> None:
    result = run(agency, option, value)
    refused(result, ConfigError)
    assert isinstance(result.exception, ConfigError)
    assert told in result.exception.advice


def test_the_rules_are_those_of_terraforms_module() -> None:
    text = (TERRAFORM / "variables.tf").read_text(encoding="utf-8").replace("\\\\", "\\")
    for name in ("PROJECT", "REGION", "LOCATION", "NAME", "ORGANIZATION", "EMAIL", "OPERATOR"):
        assert f'regex("{getattr(rules, name)}"' in text, name
    assert re.search(rf'variable "prefix" {{[^}}]*default +=\s"{rules.PREFIX}"', text)


def test_the_names_are_those_of_terraforms_module() -> None:
    text = (TERRAFORM / "locals.tf").read_text(encoding="utf-8")
    described = {
        "BUS_URL": "pubsub://${var.project}/${one.base}-records",
        "INTAKE_URL": "pubsub://${var.project}/${one.base}-deliveries",
        "WAREHOUSE_URL": "bigquery://${var.project}/${one.dataset}",
        "OBJECTS_URL": "gs://${one.bucket}/state",
        "SECRETS_URL": "secretmanager://${var.project}/${one.base}",
    }
    for name, url in described.items():
        assert re.search(rf'{name} += "{re.escape(url)}"', text), name
    assert re.search(r'base += "\$\{var\.prefix\}-\$\{name\}"', text)
    assert re.search(r'bucket += "\$\{var\.project\}-\$\{var\.prefix\}-\$\{name\}"', text)
    assert 'replace("${var.prefix}_${name}", "-", "_")' in text


def test_every_variable_that_it_writes_is_one_of_terraforms_module() -> None:
    text = (TERRAFORM / "variables.tf").read_text(encoding="utf-8")
    written = terraform_variables(Answers("acme-data", "1", "europe-west1", "EU", "acme"), "x.toml")
    for name in re.findall(r"^(\w+) +=", written, re.MULTILINE):
        assert f'variable "{name}"' in text
    for name in ("organization_id", "config_file"):
        assert re.search(rf"^    {name} +=", text, re.MULTILINE)


@given(st.text() | st.from_regex(rules.EMAIL))
def test_no_answer_can_break_out_of_its_quotes(value: str) -> None:
    for what in rules.RULES:
        try:
            taken = rule(what)(value)
        except ConfigError:
            continue
        assert "\n" not in taken
        answers = Answers("acme-data", "1", "europe-west1", "EU", "acme", (taken,))
        line = next(one for one in terraform_variables(answers, "x").splitlines() if "alert_emails" in one)
        assert tomllib.loads(line.replace("$${", "${").replace("%%{", "%{"))["alert_emails"] == [taken]


@pytest.mark.parametrize(
    ("region", "location"), [("europe-west3", "EU"), ("us-east1", "US"), ("asia-east1", "asia-east1")]
)
def test_tables_are_kept_on_the_continent_of_the_services(region: str, location: str) -> None:
    assert location_for(region) == location


@pytest.mark.timeout(60)
def test_at_a_terminal_it_asks_again_until_an_answer_fits_and_never_shows_the_token(
    agency: Town, checkout: Path
) -> None:
    primary, secondary = os.openpty()
    with resource_manager(200, ACTIVE) as address:
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        environ = {**kept, **variables(agency, address), "PYTHONPATH": str(ROOT), "TERM": "xterm"}
        del environ["PRODUCTIVE_API_TOKEN"]
        process = subprocess.Popen(
            [sys.executable, "-m", "services.cli", "init"],
            env=environ,
            stdin=secondary,
            stdout=secondary,
            stderr=secondary,
            start_new_session=True,
        )
        os.close(secondary)
        try:
            terminal = Terminal(primary)
            for question, answer in (
                ("Google Cloud project", "Acme Data"),
                ("It has to be", None),
                ("Google Cloud project", "acme-data"),
                ("short name", ""),
                ("Region", "europe-west4"),
                ("tables are kept", ""),
                ("alerts", ""),
                ("API token", agency.sandbox.token),
            ):
                terminal.hear(question)
                if answer is not None:
                    terminal.hear(":")
                    terminal.answer(answer)
            terminal.hear("Written")
            assert process.wait(60) == 0
        finally:
            process.kill()
            process.wait()
            os.close(primary)
    assert agency.sandbox.token not in terminal.shown
    written = (checkout / FILES[0]).read_text()
    assert "  main = {" in written
    assert '"europe-west4"' in written


class Terminal:
    """What a person at a terminal sees, piece by piece; the test's own time limit ends a wait in vain."""

    def __init__(self, primary: int) -> None:
        self._primary = primary
        self._ahead = ""
        self.shown = ""

    def hear(self, text: str) -> None:
        """Return once this has been shown, after all that was heard before."""
        while text not in self._ahead:
            more = os.read(self._primary, 1024).decode(errors="replace")
            self._ahead += more
            self.shown += more
        self._ahead = self._ahead.partition(text)[2]

    def answer(self, text: str) -> None:
        """Type a line."""
        os.write(self._primary, f"{text}\n".encode())
