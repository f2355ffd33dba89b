"""The doctor looks at a bucket and at secrets: each thing that is wrong has its words and its command."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import pytest
from google.cloud.secretmanager_v1 import types

from shared.clock import ManualClock
from shared.google.examination import Examination, Store
from shared.google.findings import Finding
from shared.google.rights import Resource, ServiceRole
from shared.objects.gcs.examine import examine as examine_bucket
from shared.secrets.secretmanager.examine import examine as examine_secrets
from tests.doctor import grpc_server
from tests.doctor.desk import found, told
from tests.doctor.grpc_server import GoogleServer, Refusal, google_server
from tests.doctor.rest_server import RestServer, denied, rest_server, switched_off
from tests.google.storage_server import new_bucket, storage_server

BUCKET = "GET /storage/v1/b/acme-state"
RIGHTS = "/storage/v1/b/acme-state/iam/testPermissions"
MEMBER = "serviceAccount:serve@acme-data.iam.gserviceaccount.com"
TOKEN = "projects/acme-data/secrets/ingest-productive_api_token"
HOOKS = "projects/acme-data/secrets/ingest-productive_webhook_tokens"
SECRETS = {
    Resource.API_TOKEN: "productive_api_token",
    Resource.WEBHOOK_TOKENS: "productive_webhook_tokens",
}
DAYS = 86_400


@pytest.fixture
async def storage(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RestServer]:
    """A bucket as it should be."""
    async with rest_server() as (server, url):
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
        server.answers[BUCKET] = {"name": "acme-state"}
        server.held[RIGHTS] = None
        yield server


@pytest.fixture
async def manager(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[GoogleServer]:
    """Both secrets as they should be."""
    methods = {
        "google.cloud.secretmanager.v1.SecretManagerService": [
            ("GetSecret", types.GetSecretRequest.pb(), lambda request: request.name)
        ]
    }
    async with google_server(methods) as (server, address):
        monkeypatch.setenv("SECRET_MANAGER_EMULATOR_HOST", address)
        for path in (TOKEN, HOOKS):
            server.resources[path] = types.Secret.pb(types.Secret(name=path))
        yield server


async def look_at_bucket(*services: ServiceRole) -> list[Finding]:
    wanted = frozenset(services or ServiceRole)
    examination = Examination(Store.OBJECTS, ManualClock(), member=MEMBER, services=wanted)
    return list(await examine_bucket("gs://acme-state/ingest", examination))


async def look_at_secrets(*services: ServiceRole) -> list[Finding]:
    wanted = frozenset(services or ServiceRole)
    examination = Examination(Store.SECRETS, ManualClock(), member=MEMBER, services=wanted, secrets=SECRETS)
    return list(await examine_secrets("secretmanager://acme-data/ingest", examination))


async def test_a_bucket_that_is_as_it_should_be_has_nothing_but_good_findings(storage: RestServer) -> None:
    findings = await look_at_bucket()
    assert {finding.state for finding in findings} == {"good"}
    assert told(findings, "what is deleted is gone at once").subject == "bucket acme-state"


async def test_a_bucket_that_is_not_there_comes_with_the_command_that_makes_it(storage: RestServer) -> None:
    storage.refusals[f"GET {RIGHTS}"] = (404, "The specified bucket does not exist.", "notFound")
    storage.answers.clear()
    [finding] = await look_at_bucket()
    assert (finding.state, finding.fix) == (
        "problem",
        "gcloud storage buckets create gs://acme-state --uniform-bucket-level-access --location=LOCATION",
    )


async def test_missing_rights_on_objects_are_named(storage: RestServer) -> None:
    storage.held[RIGHTS] = {"storage.objects.get", "storage.objects.list"}
    finding = told(await look_at_bucket(ServiceRole.SERVE), "lacks the permissions")
    assert "storage.objects.create, storage.objects.delete" in finding.text
    assert finding.fix == (
        "gcloud storage buckets add-iam-policy-binding gs://acme-state "
        f"--member={MEMBER} --role=roles/storage.objectUser"
    )


async def test_whoever_may_not_see_the_buckets_settings_is_not_told_of_them(storage: RestServer) -> None:
    storage.refusals[BUCKET] = denied("storage.buckets.get")
    [finding] = await look_at_bucket()
    assert finding.state == "good"


async def test_a_switched_off_api_and_a_server_in_trouble_are_problems(storage: RestServer) -> None:
    storage.refusals[f"GET {RIGHTS}"] = switched_off("storage.googleapis.com")
    [finding] = await look_at_bucket()
    assert finding.fix.startswith("gcloud services enable storage.googleapis.com")
    storage.refusals[f"GET {RIGHTS}"] = (503, "try again", "backendError")
    [finding] = await look_at_bucket()
    assert "does not answer" in finding.text


@pytest.mark.parametrize(
    ("settings", "words", "state", "command"),
    [
        (
            {"retentionPolicy": {"retentionPeriod": str(7 * DAYS)}},
            "cannot be replaced for 7 days",
            "problem",
            "--clear-retention-period",
        ),
        (
            {"lifecycle": {"rule": [{"action": {"type": "Delete"}, "condition": {"age": 30}}]}},
            "deleted by themselves after 30 days",
            "problem",
            "--clear-lifecycle",
        ),
        ({"versioning": {"enabled": True}}, "old versions of every checkpoint", "warning", "--no-versioning"),
    ],
)
async def test_a_setting_that_harms_objects_comes_with_the_command_that_changes_it(
    storage: RestServer, settings: dict[str, Any], words: str, state: str, command: str
) -> None:
    storage.answers[BUCKET].update(settings)
    finding = told(await look_at_bucket(), words)
    assert (finding.state, finding.fix) == (
        state,
        f"gcloud storage buckets update gs://acme-state {command}",
    )


@pytest.mark.parametrize(
    "condition",
    [
        {"age": 40, "matchesPrefix": ["ingest/claims/"]},
        {"age": 40, "isLive": False},
        {"numNewerVersions": 3},
        {"daysSinceNoncurrentTime": 3},
    ],
    ids=str,
)
async def test_rules_that_delete_only_what_is_not_needed_are_fine(
    storage: RestServer, condition: dict[str, Any]
) -> None:
    storage.answers[BUCKET]["lifecycle"] = {
        "rule": [
            {"action": {"type": "Delete"}, "condition": condition},
            {"action": {"type": "SetStorageClass", "storageClass": "NEARLINE"}, "condition": {"age": 1}},
        ]
    }
    storage.answers[BUCKET]["softDeletePolicy"] = {"retentionDurationSeconds": str(7 * DAYS)}
    findings = await look_at_bucket()
    assert {finding.state for finding in findings} == {"good"}
    assert told(findings, "restored for 7 days").state == "good"


@pytest.fixture(scope="module")
def real_stand_in() -> Iterator[str]:
    with storage_server() as url:
        yield url


async def test_a_stand_in_that_knows_no_rights_is_taken_as_it_is(
    real_stand_in: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", real_stand_in)
    assert [finding.state for finding in await look_at_bucket()] == ["problem"]
    new_bucket(real_stand_in, "acme-state")
    assert {finding.state for finding in await look_at_bucket()} <= {"good", "warning"}


async def test_secrets_that_are_as_they_should_be_have_good_findings(manager: GoogleServer) -> None:
    findings = await look_at_secrets()
    assert [(finding.subject, finding.state) for finding in findings] == [
        ("secret ingest-productive_api_token", "good"),
        ("secret ingest-productive_webhook_tokens", "good"),
    ]
    assert await look_at_secrets(ServiceRole.WRITER) == []


async def test_a_missing_token_is_a_problem_and_missing_tokens_of_webhooks_are_to_be_made(
    manager: GoogleServer,
) -> None:
    manager.resources.clear()
    findings = await look_at_secrets()
    token, hooks = findings
    name = "ingest-productive_api_token"
    assert (token.state, hooks.state) == ("problem", "warning")
    assert token.fix == (
        f"gcloud secrets create {name} --replication-policy=automatic --project acme-data && "
        f'printf %s "$VALUE" | gcloud secrets versions add {name} --data-file=- --project acme-data'
    )
    assert "webhooks register" in hooks.text


async def test_whoever_only_reads_a_secret_need_not_see_it(manager: GoogleServer) -> None:
    manager.refusals["GetSecret"] = grpc_server.denied("secretmanager.secrets.get")
    assert {finding.state for finding in await look_at_secrets(ServiceRole.BACKFILL)} == {"good"}


async def test_a_missing_right_on_a_secret_comes_with_the_command_that_gives_it(
    manager: GoogleServer,
) -> None:
    manager.lacks[TOKEN] = {"secretmanager.versions.access"}
    finding = told(await look_at_secrets(ServiceRole.BACKFILL), "secretmanager.versions.access")
    assert (finding.state, finding.fix) == (
        "problem",
        "gcloud secrets add-iam-policy-binding ingest-productive_api_token "
        f"--member={MEMBER} --role=roles/secretmanager.secretAccessor --project acme-data",
    )


async def test_secrets_that_may_neither_be_seen_nor_read_are_a_problem(manager: GoogleServer) -> None:
    manager.refusals["GetSecret"] = grpc_server.denied("secretmanager.secrets.get")
    manager.resources.clear()
    [finding] = await look_at_secrets(ServiceRole.BACKFILL)
    assert finding.state == "problem"
    assert "or it may not exist" in finding.text


async def test_secret_manager_that_is_switched_off_is_told_with_the_command(manager: GoogleServer) -> None:
    manager.refusals["GetSecret"] = grpc_server.switched_off("secretmanager.googleapis.com")
    fixes = {fix for _, fix in found(await look_at_secrets(), "problem")}
    assert fixes == {"gcloud services enable secretmanager.googleapis.com --project acme-data"}


async def test_a_stand_in_for_secrets_that_knows_no_rights_is_taken_as_it_is(manager: GoogleServer) -> None:
    manager.refusals["TestIamPermissions"] = Refusal(grpc.StatusCode.UNIMPLEMENTED, "Method not found")
    assert {finding.state for finding in await look_at_secrets()} == {"good"}
