"""Terraform itself at work on a copy of the module, with the stand-in for the provider."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from scripts.terraform_checks.module import ROOT
from tests.infra.google_provider import GoogleProvider, google_provider

COMMAND: Final = shutil.which("terraform") or shutil.which("tofu")
IMAGE: Final = "europe-west1-docker.pkg.dev/acme-data/productive/productive-ingest:0.1.0"
_SECONDS: Final = 120

ACME: Final[Mapping[str, Any]] = {
    "project": "acme-data",
    "image": IMAGE,
    "organizations": {
        "acme": {"organization_id": "42", "config_file": "productive-ingest.toml"},
        "beta-agency-berlin": {"organization_id": "43", "webhooks": False},
    },
    "alert_emails": ["data@example.com"],
    "operators": ["user:ada@example.com"],
    "readers": ["group:all@example.com"],
    "billing_account": "012345-6789AB-CDEF01",
    "bigquery_kms_key": "projects/acme-data/locations/europe/keyRings/r/cryptoKeys/k",
}
"""Two organizations, one with a configuration file and one without a receiver."""


@dataclass(frozen=True)
class Terraform:
    """A folder with the module and its variables, and where the provider is."""

    folder: Path
    provider: GoogleProvider
    environment: Mapping[str, str]
    _shown: list[Any] = field(default_factory=list)

    def set(self, variables: Mapping[str, Any]) -> None:
        """What stands in terraform.tfvars."""
        (self.folder / "terraform.tfvars.json").write_text(json.dumps(variables), encoding="utf-8")

    def run(self, *arguments: str, fails: bool = False) -> str:
        """What a command printed, to standard error as well where it is to fail."""
        assert COMMAND is not None
        if arguments[0] == "apply":
            self._shown.clear()
        done = subprocess.run(
            [COMMAND, *arguments, "-no-color"],
            cwd=self.folder,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stdout + (done.stderr if fails else "")

    def resources(self, kind: str) -> Mapping[str, Mapping[str, Any]]:
        """The values of all that was made of a kind, by `name["key"]`."""
        if not self._shown:
            self._shown.extend(json.loads(self.run("show", "-json"))["values"]["root_module"]["resources"])
        return {
            one["address"].removeprefix(f"{kind}."): one["values"]
            for one in self._shown
            if one["type"] == kind
        }

    def outputs(self) -> Mapping[str, Any]:
        """The values of the outputs."""
        return {name: one["value"] for name, one in json.loads(self.run("output", "-json")).items()}


@contextmanager
def terraform(folder: Path) -> Iterator[Terraform]:
    """Terraform, ready to plan in a new folder."""
    for path in ROOT.glob("*.tf"):
        shutil.copy(path, folder)
    (folder / "productive-ingest.toml").write_text('[tables]\nskip = ["tasks"]\n', encoding="utf-8")
    with google_provider() as (provider, environment):
        # Nothing of whoever runs the tests: neither a configuration nor a look for newer versions.
        own = {"TF_CLI_CONFIG_FILE": os.devnull, "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}
        tool = Terraform(folder, provider, {**environment, **own})
        tool.run("init", "-input=false")
        yield tool


def containers(resource: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The containers of a service, a worker pool or a job."""
    template = resource["template"][0]
    inner = template["template"][0] if "template" in template else template
    found: list[Mapping[str, Any]] = inner["containers"]
    return found


def body_of(timer: Mapping[str, Any]) -> Any:
    """What a schedule sends to Cloud Run."""
    return json.loads(base64.b64decode(timer["http_target"][0]["body"]))
