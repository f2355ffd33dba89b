"""What `make lint` says of the Terraform module, which needs neither Terraform nor Google Cloud."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from scripts.terraform_checks import arguments, environment, pages, references, roles
from scripts.terraform_checks.__main__ import problems
from scripts.terraform_checks.module import ROOT, Module, load
from scripts.terraform_checks.schema import load_schema
from services.backfill.checkpoint import Status
from services.backfill.summary import CrawlSummary, TableSummary
from services.cli.output import Output
from services.cli.render.summary import print_summary
from shared.config.settings import SETTINGS

SCHEMA = load_schema()


@pytest.fixture(scope="module")
def module() -> Module:
    return load()


def of(folder: Path, text: str) -> Module:
    """A module of one file."""
    (folder / "main.tf").write_text(text, encoding="utf-8")
    return load(folder)


def test_nothing_is_wrong_with_the_module(module: Module) -> None:
    assert list(problems(module)) == []


def test_a_file_that_is_no_hcl_is_told_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^main\.tf is not HCL"):
        of(tmp_path, 'resource "x" {')


TOPIC = 'resource "google_pubsub_topic" "t" {{ {} }}'
SUBSCRIPTION = 'resource "google_pubsub_subscription" "s" {{\n name = "s"\n topic = "t"\n {}\n}}'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (TOPIC.format('nam = "t"'), ["there is no argument nam", "the argument name is missing"]),
        (TOPIC.format("name = 3"), ["name is to be a string, and is 3"]),
        (TOPIC.format("name = true"), ["name is to be a string, and is True"]),
        (SUBSCRIPTION.format('ack_deadline_seconds = "60"'), ["to be a number"]),
        (SUBSCRIPTION.format("retry { }"), ["there is no block retry"]),
        (SUBSCRIPTION.format("expiration_policy { }"), ["expiration_policy: the argument ttl is missing"]),
        (
            SUBSCRIPTION.format('dynamic "expiration_policy" {\n for_each = []\n content { ttll = "" }\n }'),
            ["there is no argument ttll", "the argument ttl is missing"],
        ),
        (
            SUBSCRIPTION.format("retry_policy { }\n retry_policy { }"),
            ["retry_policy may be there once"],
        ),
        ('resource "google_sql_database" "d" { }', ["the extract of the schema has no google_sql_database"]),
        (
            'resource "google_secret_manager_secret" "s" { secret_id = "s" }',
            ["the block replication is missing"],
        ),
    ],
)
def test_what_the_provider_would_refuse_is_told(tmp_path: Path, text: str, told: Sequence[str]) -> None:
    found = list(arguments.check(of(tmp_path, text), SCHEMA))
    assert len(found) == len(told)
    for problem, words in zip(found, told, strict=True):
        assert words in problem


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("var.gone", "there is no var.gone"),
        ("local.gone", "there is no local.gone"),
        ("google_pubsub_topic.gone.id", "there is no google_pubsub_topic.gone"),
        ('google_pubsub_topic.t["${var.a}/x"].idd', "google_pubsub_topic has no attribute idd"),
        ('"${google_pubsub_topic.t.id}"', None),
        ("google_pubsub_topic.t[each.key].id", None),
        ("google_pubsub_topic.t", None),
    ],
)
def test_a_reference_that_leads_nowhere_is_told(tmp_path: Path, expression: str, told: str | None) -> None:
    text = f'variable "a" {{ }}\n{TOPIC.format("name = var.a")}\noutput "o" {{ value = {expression} }}'
    found = list(references.check(of(tmp_path, text), SCHEMA))
    assert found == ([f"output.o: {told}"] if told else [])


def test_a_variable_that_nobody_uses_is_told_and_one_that_only_checks_itself(tmp_path: Path) -> None:
    check = 'validation {\n condition = var.a != ""\n error_message = "no"\n }'
    text = f'variable "a" {{\n {check}\n}}\nlocals {{ b = 1 }}'
    assert list(references.check(of(tmp_path, text), SCHEMA)) == ["var.a is not used", "local.b is not used"]


def test_the_environment_is_what_the_services_read(module: Module) -> None:
    assert environment.set_by(module) | environment.LEFT_OUT.keys() == environment.READ
    assert {setting.env for setting in SETTINGS if setting.env} <= environment.READ


def test_a_variable_of_the_environment_that_nobody_reads_is_told_and_one_that_is_missing(
    tmp_path: Path,
) -> None:
    text = 'locals { environment = { BUS_URI = "x", PORT = "1" } }'
    found = list(environment.check(of(tmp_path, text)))
    assert "the environment: no service reads BUS_URI" in found
    assert any(one.startswith("the environment: BUS_URL is read and not set") for one in found)
    assert "the environment: PORT is set although Cloud Run sets it" in found


def test_a_right_too_many_and_a_right_too_few_are_told(module: Module) -> None:
    first, *rest = module.locals["rights"]
    wider = {**first, "who": [*first["who"], "writer"]}
    assert list(roles.check(with_rights(module, [wider, *rest]))) == [
        "the rights: writer has roles/pubsub.publisher on the topic of the records and does not need it"
    ]
    narrower = {**first, "who": [who for who in first["who"] if who != "backfill"]}
    assert list(roles.check(with_rights(module, [narrower, *rest]))) == [
        "the rights: backfill lacks roles/pubsub.publisher on the topic of the records"
    ]


def with_rights(module: Module, rights: list[dict[str, object]]) -> Module:
    return Module(
        module.variables,
        {**module.locals, "rights": rights},
        module.resources,
        module.outputs,
        module.providers,
    )


def test_a_readme_that_is_out_of_date_is_told_and_mended(tmp_path: Path, module: Module) -> None:
    readme = tmp_path / "README.md"
    text = pages.README.read_text(encoding="utf-8")
    readme.write_text(text.replace("`europe-west1`", "`mars-north1`"), encoding="utf-8")
    assert list(pages.check(module, readme)) == [
        "README.md is out of date: python -m scripts.terraform_checks --write"
    ]
    pages.write(module, readme)
    assert readme.read_text(encoding="utf-8") == text


def test_every_file_of_the_module_is_told_of(module: Module) -> None:
    text = pages.README.read_text(encoding="utf-8")
    told = {"variables.tf", "outputs.tf", "versions.tf", "locals.tf"} | set(re.findall(r"`(\w+\.tf)`", text))
    assert {path.name for path in ROOT.glob("*.tf")} == told


def test_the_alert_on_freshness_knows_the_lines_that_a_crawl_ends_with(
    module: Module, capsys: pytest.CaptureFixture[str]
) -> None:
    tables = {
        "deals": table(Status.DONE, "whole (asked for)"),
        "time_entries": table(Status.DONE, "changed since 2026-11-20 10:00 UTC"),
        "salaries": table(Status.FAILED, "whole"),
        "bills": table(Status.UNAVAILABLE, "whole"),
    }
    print_summary(Output(as_json=False), summary(tables), {}, "pubsub://acme-data/records")
    line = re.compile(in_python(module.locals["crawled_line"]))
    name = re.compile(
        in_python(module.locals["log_metrics"]["tables-crawled"]["labels"]["table"].split('"')[1])
    )
    found = [text for text in capsys.readouterr().out.splitlines() if line.search(text)]
    labels = [match[1] for text in found if (match := name.search(text))]
    assert labels == ["deals", "time_entries"]


def in_python(pattern: str) -> str:
    """A pattern of RE2, with the classes that Python's patterns do not have."""
    return pattern.replace("[[:space:]]", r"\s").replace("[[:^cntrl:]]", r"[^\x00-\x1f\x7f]")


def table(status: Status, plan: str) -> TableSummary:
    return TableSummary(
        status=status,
        plan=plan,
        changed_since=None,
        records=1_234,
        pages=7,
        rejected=3,
        settled=True,
        reason="no answer",
        deleted=2,
        held_back=0,
        held_back_reason="",
        unparsed={"amount": 4},
        unknown={"mood": 5},
        includes_refused=("person",),
    )


def summary(tables: dict[str, TableSummary]) -> CrawlSummary:
    return CrawlSummary(
        run_id="run",
        complete=False,
        resumed=False,
        seconds=1.0,
        requests=9,
        records=4_936,
        tables=tables,
    )
