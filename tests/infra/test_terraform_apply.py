"""Terraform itself applies the module: the expressions are evaluated, the graph is walked, nothing is mocked
but the provider's making of things. Where there is no Terraform these are skipped, and the checks of
test_terraform_checks.py remain.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import pytest

from scripts.terraform_checks.roles import ACCOUNTS, RESOURCES, Grant, needed
from services.cli.main import cli
from shared.bus.pubsub import provisioning
from shared.bus.pubsub.names import parse
from shared.config import load_settings
from shared.google.names import PROJECT, parse_cloud_url
from shared.google.rights import Resource, ServiceRole
from shared.secrets.secretmanager.connect import PREFIX
from shared.warehouse.bigquery.connect import DATASET
from tests.infra.terraform import ACME, COMMAND, IMAGE, Terraform, body_of, containers, terraform

pytestmark = pytest.mark.skipif(COMMAND is None, reason="there is no Terraform here")

RUNNING = ("google_cloud_run_v2_service", "google_cloud_run_v2_worker_pool", "google_cloud_run_v2_job")
ACCOUNT = r"serviceAccount:productive-(?P<of>[a-z0-9-]+)-(?P<service>[a-z]+)@acme-data\.iam"


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terraform]:
    with terraform(tmp_path_factory.mktemp("applied")) as tool:
        tool.set(ACME)
        tool.run("validate")
        tool.run("apply", "-auto-approve", "-input=false")
        yield tool


def environments(tool: Terraform) -> Mapping[str, Mapping[str, str]]:
    """What each service, worker pool and job gets, by its name."""
    return {
        one["name"]: {entry["name"]: entry["value"] for entry in container.get("env", [])}
        for kind in RUNNING
        for one in tool.resources(kind).values()
        for container in containers(one)
    }


def test_a_second_plan_finds_nothing_to_change(applied: Terraform) -> None:
    assert "No changes" in applied.run("plan", "-input=false", "-detailed-exitcode")


def test_an_organization_has_its_services_and_without_webhooks_no_receiver(applied: Terraform) -> None:
    names = sorted(one["name"] for kind in RUNNING for one in applied.resources(kind).values())
    assert names == [
        "productive-acme-backfill",
        "productive-acme-ingest",
        "productive-acme-webhooks",
        "productive-acme-writer",
        "productive-beta-agency-berlin-backfill",
        "productive-beta-agency-berlin-writer",
    ]


def test_all_run_the_one_image_each_as_an_account_of_its_own(applied: Terraform) -> None:
    accounts = []
    for kind in RUNNING:
        for one in applied.resources(kind).values():
            assert [container["image"] for container in containers(one)] == [IMAGE]
            template = one["template"][0]
            accounts.append(template.get("template", [template])[0]["service_account"])
    assert len(set(accounts)) == len(accounts) == 6


def test_names_of_accounts_are_as_long_as_google_takes_them(applied: Terraform) -> None:
    ids = [one["account_id"] for one in applied.resources("google_service_account").values()]
    assert len(ids) == len(set(ids)) == 10
    for name in ids:
        assert re.fullmatch(r"[a-z][a-z0-9-]{4,28}[a-z0-9]", name), name


@pytest.mark.parametrize("organization", ["acme", "beta-agency-berlin"])
def test_the_services_take_the_urls_that_they_are_given(applied: Terraform, organization: str) -> None:
    given = environments(applied)[f"productive-{organization}-backfill"]
    settings = load_settings(None, given, {})
    assert settings.organization_id == ACME["organizations"][organization]["organization_id"]
    topics = {one["name"] for one in applied.resources("google_pubsub_topic").values()}
    for url in (settings.bus_url, settings.intake_url):
        names = parse(url)
        assert {names.topic.rpartition("/")[2], names.dead_topic.rpartition("/")[2]} <= topics
    dataset = parse_cloud_url(settings.warehouse_url, example="")
    assert PROJECT.fullmatch(dataset.first)
    assert DATASET.fullmatch(dataset.second)
    assert dataset.second in {
        one["dataset_id"] for one in applied.resources("google_bigquery_dataset").values()
    }
    buckets = {one["name"] for one in applied.resources("google_storage_bucket").values()}
    assert parse_cloud_url(settings.objects_url, example="").first in buckets
    prefix = parse_cloud_url(settings.secrets_url, example="").second
    assert PREFIX.fullmatch(prefix)
    secrets = {one["secret_id"] for one in applied.resources("google_secret_manager_secret").values()}
    assert f"{prefix}-productive_api_token" in secrets


def test_organizations_share_no_store(applied: Terraform) -> None:
    given = environments(applied)
    for name in ("BUS_URL", "INTAKE_URL", "WAREHOUSE_URL", "OBJECTS_URL", "SECRETS_URL"):
        assert given["productive-acme-writer"][name] != given["productive-beta-agency-berlin-writer"][name]


def test_a_configuration_file_is_mounted_where_the_services_look_for_it(applied: Terraform) -> None:
    for kind in RUNNING:
        for one in applied.resources(kind).values():
            (container,) = containers(one)
            given = {entry["name"]: entry["value"] for entry in container["env"]}
            if "-acme-" not in one["name"]:
                assert "PRODUCTIVE_INGEST_CONFIG" not in given
                assert not container["volume_mounts"]
                continue
            template = one["template"][0]
            (volume,) = template.get("template", [template])[0]["volumes"]
            (mount,) = container["volume_mounts"]
            assert mount["name"] == volume["name"]
            (item,) = volume["secret"][0]["items"]
            assert f"{mount['mount_path']}/{item['path']}" == given["PRODUCTIVE_INGEST_CONFIG"]


def commands(tool: Terraform) -> Iterator[Sequence[str]]:
    for kind in RUNNING:
        for one in tool.resources(kind).values():
            yield from (container["args"] for container in containers(one))
    for timer in tool.resources("google_cloud_scheduler_job").values():
        for override in body_of(timer)["overrides"]["containerOverrides"]:
            yield override["args"]


def test_every_command_that_is_run_exists_with_its_options(applied: Terraform) -> None:
    seen = set()
    for arguments in commands(applied):
        command: click.Command = cli
        rest = list(arguments)
        context = click.Context(cli)
        while isinstance(command, click.Group):
            command = command.commands[rest.pop(0)]
            context = click.Context(command, parent=context)
        assert command.make_parser(context).parse_args(rest)[1] == [], arguments
        seen.add(" ".join(arguments))
    assert seen == {
        "serve",
        "writer",
        "backfill",
        "backfill --full",
        "verify",
        "webhooks verify --replay",
    }


def test_schedules_start_jobs_that_there_are(applied: Terraform) -> None:
    jobs = {one["name"] for one in applied.resources("google_cloud_run_v2_job").values()}
    for timer in applied.resources("google_cloud_scheduler_job").values():
        target = timer["http_target"][0]
        found = re.fullmatch(
            r"https://run\.googleapis\.com/v2/projects/acme-data/locations/europe-west1/jobs/([a-z-]+):run",
            target["uri"],
        )
        assert found is not None
        assert found[1] in jobs
        assert target["oauth_token"][0]["service_account_email"].split("@")[0].endswith("-timer")


def grants(tool: Terraform) -> Counter[tuple[str, Grant]]:
    """Who got which role, by the organization, as the services need it; all that is beyond them left out."""
    found: Counter[tuple[str, Grant]] = Counter()
    for kind, what in (
        ("google_pubsub_topic_iam_member", "topic"),
        ("google_pubsub_subscription_iam_member", "subscription"),
        ("google_storage_bucket_iam_member", "bucket"),
        ("google_secret_manager_secret_iam_member", "secret"),
        ("google_bigquery_dataset_iam_member", "dataset"),
        ("google_project_iam_member", "project"),
    ):
        for address, one in tool.resources(kind).items():
            key = re.fullmatch(r'right\["(\S+) (\S+) (\S+) (\S+) (\S+)"\]', address)
            if key is None:
                continue
            organization, on, name, role, who = key.groups()
            assert on == what
            assert role == one["role"]
            account = re.match(ACCOUNT, one["member"])
            service = account["service"] if account else "operator"
            assert who == service if account else who == one["member"] == "user:ada@example.com"
            found[organization, (ACCOUNTS[service], RESOURCES[on, name], role)] += 1
    return found


def test_each_organizations_accounts_have_the_rights_that_they_need_and_no_others(applied: Terraform) -> None:
    found = grants(applied)
    assert set(found.values()) == {1}
    for organization in ACME["organizations"]:
        has = {grant for of, grant in found if of == organization}
        # A person is a member of the project once, for all organizations.
        on_project = {one for one in needed() if one[:2] == (ServiceRole.OPERATOR, Resource.PROJECT)}
        assert has | (on_project if organization != "acme" else set()) == needed()


def test_an_account_has_rights_on_its_own_organization_only(applied: Terraform) -> None:
    for address, one in applied.resources("google_storage_bucket_iam_member").items():
        account = re.match(ACCOUNT, one["member"])
        if account and not address.startswith("archive"):
            of = "acme" if account["of"] == "acme" else "beta-agency-berlin"
            assert one["bucket"] == f"acme-data-productive-{of}"


def test_nobody_but_the_receiver_is_open_to_everybody(applied: Terraform) -> None:
    open_to_all = []
    for kind in ("google_cloud_run_v2_service_iam_member", "google_cloud_run_v2_job_iam_member"):
        open_to_all += [one["name"] for one in applied.resources(kind).values() if "all" in one["member"]]
    assert open_to_all == ["productive-acme-ingest"]


def test_the_buses_are_set_up_as_the_program_would_set_them_up(applied: Terraform) -> None:
    subscriptions = {one["name"]: one for one in applied.resources("google_pubsub_subscription").values()}
    for organization in ("acme", "beta-agency-berlin"):
        for bus in ("records", "deliveries"):
            name = f"productive-{organization}-{bus}"
            one, dead = subscriptions[name], subscriptions[f"{name}-dead"]
            assert one["message_retention_duration"] == f"{provisioning.RETENTION_SECONDS}s"
            assert dead["message_retention_duration"] == f"{provisioning.DEAD_RETENTION_SECONDS}s"
            assert [part["expiration_policy"] for part in (one, dead)] == [[{"ttl": ""}]] * 2
            (policy,) = one["dead_letter_policy"]
            assert policy["max_delivery_attempts"] == provisioning.MAX_DELIVERY_ATTEMPTS
            assert policy["dead_letter_topic"] == dead["topic"]
            assert one["retry_policy"] == [
                {
                    "minimum_backoff": f"{provisioning.FIRST_BACKOFF_SECONDS}s",
                    "maximum_backoff": f"{provisioning.LONGEST_BACKOFF_SECONDS}s",
                }
            ]


def test_pubsub_itself_may_set_messages_aside(applied: Terraform) -> None:
    agent = "serviceAccount:service-123456789@gcp-sa-pubsub.iam.gserviceaccount.com"
    for kind in ("google_pubsub_topic_iam_member", "google_pubsub_subscription_iam_member"):
        members = [
            one for address, one in applied.resources(kind).items() if address.startswith("dead_agent")
        ]
        assert [one["member"] for one in members] == [agent] * 4


def test_no_secret_of_productive_has_a_value_in_the_state(applied: Terraform) -> None:
    versions = applied.resources("google_secret_manager_secret_version")
    assert [one["secret_data"] for one in versions.values()] == ['[tables]\nskip = ["tasks"]\n']


def test_the_outputs_lead_on(applied: Terraform) -> None:
    outputs = applied.outputs()
    assert list(outputs["webhook_urls"]) == ["acme"]
    given = dict(
        line.removeprefix("export ").split("=", 1) for line in outputs["environment"]["acme"].splitlines()
    )
    assert load_settings(None, given, {}).bus_url == "pubsub://acme-data/productive-acme-records"
    url = outputs["webhook_urls"]["acme"]
    assert f"productive-ingest webhooks register --url {url}" in outputs["next_commands"]["acme"]
    assert not any("webhooks" in one for one in outputs["next_commands"]["beta-agency-berlin"])


def test_data_is_kept_unless_it_is_let_go(applied: Terraform) -> None:
    assert not any(one["force_destroy"] for one in applied.resources("google_storage_bucket").values())
    datasets = applied.resources("google_bigquery_dataset").values()
    assert not any(one["delete_contents_on_destroy"] for one in datasets)
    secrets = applied.resources("google_secret_manager_secret").values()
    assert {one["secret_id"] for one in secrets if one["deletion_protection"]} == {
        f"productive-{organization}-{key}"
        for organization in ("acme", "beta-agency-berlin")
        for key in ("column_hash_key", "keep_out_key")
    }


def test_nothing_is_left_after_a_destroy_and_an_installation_begins_without_an_image(tmp_path: Path) -> None:
    with terraform(tmp_path) as tool:
        tool.set({**ACME, "image": "", "keep_data": False})
        tool.run("apply", "-auto-approve", "-input=false")
        made = Counter(kind for kind, _ in tool.provider.made)
        assert not made.keys() & set(RUNNING)
        assert made["google_artifact_registry_repository"] == 1
        assert made["google_bigquery_dataset"] == made["google_storage_bucket"] == 2
        assert "terraform apply" in tool.outputs()["next_commands"]["acme"]
        secrets = tool.resources("google_secret_manager_secret").values()
        assert not any(one["deletion_protection"] for one in secrets)
        tool.set({**ACME, "keep_data": False})
        tool.run("apply", "-auto-approve", "-input=false")
        tool.run("destroy", "-auto-approve", "-input=false")
        assert Counter(kind for kind, _ in tool.provider.removed) == Counter(
            kind for kind, _ in tool.provider.made
        )


def test_a_destroy_leaves_nothing_but_the_data_and_says_so(tmp_path: Path) -> None:
    alone = {**ACME, "organizations": {"acme": {"organization_id": "42"}}, "bigquery_kms_key": ""}
    with terraform(tmp_path) as tool:
        tool.set(alone)
        tool.run("apply", "-auto-approve", "-input=false")
        told = tool.run("destroy", "-auto-approve", "-input=false", fails=True)
        assert "google_bigquery_dataset productive_acme is protected" in told
        left = tool.run("state", "list").split()
        # The APIs stay on in any case; what needs them is still there.
        assert [one for one in left if not one.startswith("google_project_service.")] == [
            'google_bigquery_dataset.warehouse["acme"]',
            'google_secret_manager_secret.secret["acme/column_hash_key"]',
            'google_secret_manager_secret.secret["acme/keep_out_key"]',
            'google_storage_bucket.state["acme"]',
        ]
        tool.set({**alone, "keep_data": False})
        tool.run("apply", "-auto-approve", "-input=false")
        tool.run("destroy", "-auto-approve", "-input=false")
        assert tool.run("state", "list").strip() == ""


WRONG: Sequence[tuple[Mapping[str, Any], str]] = (
    ({"project": "My Project"}, "project is an id like"),
    ({"region": "EU"}, "not a multi-region"),
    ({"bigquery_location": "Europe"}, "bigquery_location is EU, US, or a region"),
    ({"prefix": "productive-two"}, "prefix has 3 to 10"),
    ({"image": "https://example.com/x"}, "without https://"),
    ({"alert_emails": ["ada"]}, "alert_emails are addresses"),
    ({"operators": ["ada@example.com"]}, "written as IAM does"),
    ({"ingest": {"min_instances": 4}}, "0 <= min_instances <= max_instances"),
    ({"ingest": {"cpu": "0.5"}}, "less than one is not to be had"),
    ({"writer": {"instances": 1.5}}, "0 to 20 instances"),
    ({"schedules": {"changes": "hourly"}}, "cron's five fields"),
    ({"freshness_hours": 24}, "from 1 to 23"),
    ({"billing_account": "acme"}, "gcloud billing accounts list"),
    ({"labels": {"Team": "data"}}, "Labels and their values have lower-case"),
    ({"dead_letter_archive_days": -1}, "a whole number from 0 to 3650"),
    ({"bigquery_kms_key": "k"}, "without a version"),
    ({"time_zone": "UTC+1"}, "a name like Europe/Berlin"),
    ({"monthly_budget": 0}, "at least 1"),
)

WRONG_ORGANIZATIONS: Mapping[str, Any] = {
    "Acme": {"organization_id": "1-acme"},
    "a": {"organization_id": "42", "dataset": "a-b"},
    "b": {"organization_id": "42", "dataset": "a-b"},
    "c": {"organization_id": "3", "config_file": "gone.toml"},
}


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terraform]:
    with terraform(tmp_path_factory.mktemp("idle")) as tool:
        yield tool


def test_every_wrong_variable_is_refused_with_what_it_should_be(idle: Terraform) -> None:
    seen: list[str] = []
    # Two at a time of one variable would hide each other; one plan tells all the others.
    rounds: list[dict[str, Any]] = []
    for variables, _ in WRONG:
        room = next((one for one in rounds if not one.keys() & variables.keys()), None)
        if room is None:
            rounds.append(room := {})
        room |= variables
    for wrong in rounds:
        idle.set({**ACME, **wrong})
        seen.append(" ".join(idle.run("plan", "-input=false", fails=True).split()))
    for _, words in WRONG:
        assert any(words in text for text in seen), words


def test_wrong_organizations_are_refused_with_what_they_should_be(idle: Terraform) -> None:
    idle.set({**ACME, "organizations": WRONG_ORGANIZATIONS})
    seen = " ".join(idle.run("plan", "-input=false", fails=True).split())
    for words in (
        "1 to 20 lower-case letters",
        "the number before the first dash",
        "may be there once",
        "and no digit first",
        "a dataset of its own",
        "config_file is not there",
    ):
        assert words in seen, words
    idle.set({**ACME, "organizations": {}})
    assert "needs at least one" in idle.run("plan", "-input=false", fails=True)
