"""The checklist of docs/deploy.md, walked: what `init` writes, Terraform applies, step after step."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from services.cli.commands.init import init
from shared.config import Settings, load_settings
from tests.infra.terraform import COMMAND, IMAGE, Terraform, containers, terraform

pytestmark = [
    pytest.mark.skipif(COMMAND is None, reason="there is no Terraform here"),
    pytest.mark.timeout(240),
]

OPTIONS = ("--project", "acme-data", "--organization-id", "42", "--name", "acme", "--region", "europe-west1")
APPLY = ("apply", "-auto-approve", "-input=false")
SERVICES = ("google_cloud_run_v2_service", "google_cloud_run_v2_worker_pool", "google_cloud_run_v2_job")


@dataclass(frozen=True)
class Checkout:
    """A folder with the module in its place, and Terraform at work in it."""

    folder: Path
    tool: Terraform

    @property
    def settings(self) -> Settings:
        """What the commands in this folder work with."""
        return load_settings(self.folder / "productive-ingest.toml", {}, {})

    def running(self) -> set[str]:
        """The names of all services, worker pools and jobs."""
        return {one["name"] for kind in SERVICES for one in self.tool.resources(kind).values()}

    def changed(self, *arguments: str) -> set[str]:
        """The kinds of resources that a plan would touch, whether Google can change such a thing or not."""
        self.tool.run("plan", "-input=false", "-out=plan", *arguments)
        changes = json.loads(self.tool.run("show", "-json", "plan"))["resource_changes"]
        return {one["type"] for one in changes if one["change"]["actions"] != ["no-op"]}


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Checkout]:
    module = tmp_path / "infra/terraform"
    module.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with terraform(module) as tool:
        (module / "productive-ingest.toml").unlink()
        made = CliRunner().invoke(init, ["--no-check", *OPTIONS], standalone_mode=False)
        assert made.exception is None
        yield Checkout(tmp_path, tool)


def test_from_nothing_to_live_to_another_region_to_nothing(checkout: Checkout) -> None:
    tool = checkout.tool

    # Step 3: everything but the services.
    tool.run(*APPLY)
    assert not checkout.running()
    secrets = tool.resources("google_secret_manager_secret").values()
    assert "productive-acme-productive_api_token" in {one["secret_id"] for one in secrets}
    repository = tool.run("output", "-raw", "image_repository")
    assert IMAGE.startswith(f"{repository}:")

    # Steps 5 and 6: the image by its digest, and the services.
    image = f"{repository}@sha256:{'1' * 64}"
    (tool.folder / "image.auto.tfvars").write_text(f'image = "{image}"\n')
    tool.run(*APPLY)
    names = {f"productive-acme-{name}" for name in ("backfill", "ingest", "webhooks", "writer")}
    assert checkout.running() == names
    for kind in SERVICES:
        for one in tool.resources(kind).values():
            [container] = containers(one)
            assert container["image"] == image
            given = {entry["name"]: entry["value"] for entry in container["env"]}
            # Step 8: the commands find what the services use.
            assert given["BUS_URL"] == checkout.settings.bus_url
            assert given["INTAKE_URL"] == checkout.settings.intake_url
            assert given["WAREHOUSE_URL"] == checkout.settings.warehouse_url
            assert given["OBJECTS_URL"] == checkout.settings.objects_url
            assert given["SECRETS_URL"] == checkout.settings.secrets_url
            assert given["BIGQUERY_LOCATION"] == checkout.settings.bigquery_location
            assert given["PRODUCTIVE_ORGANIZATION_ID"] == checkout.settings.organization_id

    # Step 9: an address for the webhooks, by the organization's short name.
    assert json.loads(tool.run("output", "-json", "webhook_urls")).keys() == {"acme"}

    # Another choice of tables is another version of the file that services mount.
    config = checkout.folder / "productive-ingest.toml"
    config.write_text(config.read_text() + 'skip = ["activities"]\n')
    assert "google_secret_manager_secret_version" in checkout.changed()
    tool.run(*APPLY)

    # Another region: of what is there the bucket, the repository and what the topics hold are told to move.
    away = ("-var=image=", "-var=keep_data=false")
    tool.run(*APPLY, *away)
    assert not checkout.running()
    variables = tool.folder / "terraform.tfvars"
    variables.write_text(variables.read_text().replace("europe-west1", "europe-west4"))
    touched = checkout.changed(*away)
    assert touched == {
        "google_storage_bucket",
        "google_artifact_registry_repository",
        "google_pubsub_topic",
    }
    tool.run(*APPLY, *away)
    tool.run(*APPLY)
    assert checkout.running() == names

    # And nothing is left.
    tool.run(*APPLY, "-var=keep_data=false")
    tool.run("destroy", "-auto-approve", "-input=false", "-var=keep_data=false")
    assert "No changes" in tool.run("plan", "-destroy", "-input=false", "-detailed-exitcode")
