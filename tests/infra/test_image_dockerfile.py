"""What the image is promised to be stands in the Dockerfile, and the lists beside it fit together."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path, PurePosixPath

import pytest

from scripts.build_image.context import Context
from scripts.build_image.dockerfile import Stage, read_dockerfile

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "Dockerfile").read_text(encoding="utf-8")
CLOUD_BUILD = (ROOT / "cloudbuild.yaml").read_text(encoding="utf-8")


@pytest.fixture
def stages() -> list[Stage]:
    return read_dockerfile(TEXT)


@pytest.fixture
def image(stages: list[Stage]) -> Stage:
    return stages[-1]


def test_it_runs_as_somebody_who_is_nobody_by_number(image: Stage) -> None:
    assert re.fullmatch(r"[1-9]\d{4}:[1-9]\d{4}", image.last("USER"))
    after = image.instructions[image.instructions.index(image.all("USER")[-1]) :]
    assert not [one for one in after if one.name in {"RUN", "COPY"}], "what comes last belongs to nobody"


def test_the_base_is_an_exact_version_and_its_digest_can_be_given(stages: list[Stage]) -> None:
    assert {stage.base for stage in stages} == {"python:3.11.14-slim-bookworm"}
    digest = "python:3.11.14-slim-bookworm@sha256:" + "0" * 64
    pinned = read_dockerfile(TEXT, {"PYTHON_IMAGE": digest})
    assert {stage.base for stage in pinned} == {digest}


def test_everything_is_installed_from_the_lock_file_by_hash_and_as_wheels(stages: list[Stage]) -> None:
    installs = [one.text for one in stages[0].all("RUN") if " pip " in one.text]
    fetching = [text for text in installs if "--no-index" not in text]
    assert len(fetching) == 1
    assert {"--require-hashes", "--only-binary", "requirements/cloud.txt"} <= set(fetching[0].split())


def test_what_builds_packages_stays_out(image: Stage) -> None:
    [removing] = [one.text for one in image.all("RUN")]
    assert "uninstall" in removing
    assert {"pip", "setuptools", "wheel"} <= set(removing.split())
    copied = [one.text for one in image.all("COPY")]
    assert all(text.startswith("--from=builder /opt/productive-ingest ") for text in copied)


def test_it_writes_no_file_of_its_own_accord_and_can_be_reached(image: Stage) -> None:
    settings = image.pairs("ENV")
    assert settings["PYTHONDONTWRITEBYTECODE"] == "1"
    assert settings["HOME"] == "/tmp"
    assert settings["RECEIVER_HOST"] == "0.0.0.0"
    assert image.words("ENTRYPOINT") == ["/opt/productive-ingest/bin/productive-ingest"]


def test_its_labels_name_its_version_and_its_bill_of_materials() -> None:
    image = read_dockerfile(TEXT, {"VERSION": "7.8.9", "REVISION": "abc"})[-1]
    labels = image.pairs("LABEL")
    assert labels["org.opencontainers.image.version"] == "7.8.9"
    assert labels["org.opencontainers.image.revision"] == "abc"
    assert labels["productive-ingest.sbom"] in TEXT.replace(f'"{labels["productive-ingest.sbom"]}"', "")


def test_its_version_is_the_projects() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert read_dockerfile(TEXT)[-1].variables["VERSION"] == version
    assert f"_VERSION: {version}\n" in CLOUD_BUILD


def test_cloud_build_gives_arguments_that_there_are_and_the_same_base(stages: list[Stage]) -> None:
    given = set(re.findall(r"--build-arg=(\w+)=", CLOUD_BUILD))
    known = set(re.findall(r"^ARG (\w+)", TEXT, re.MULTILINE))
    assert given == known
    assert f"_PYTHON_IMAGE: {stages[0].base}\n" in CLOUD_BUILD
    used, set_ = (set(re.findall(rf, CLOUD_BUILD, re.MULTILINE)) for rf in (r"\$\{(_\w+)\}", r"^  (_\w+):"))
    assert used == set_, "Cloud Build refuses a substitution that nothing uses"


def test_the_context_holds_what_is_copied_and_nothing_that_could_be_secret(tmp_path: Path) -> None:
    context = Context.of(ROOT)
    seen = {str(path) for path in context.files()}
    assert {"pyproject.toml", "README.md", "services/cli/main.py", "shared/catalog/catalog.json"} <= seen
    tops = {path.partition("/")[0] for path in seen}
    assert tops == {"LICENSE", "README.md", "pyproject.toml", "requirements", "scripts", "services", "shared"}
    assert not [path for path in seen if path.endswith((".pyc", ".env", ".tfvars", ".tfstate"))]
    for secret in (
        "terraform.tfvars",
        "services/.env",
        ".env",
        "productive-data/secrets.json",
        ".git/config",
    ):
        assert not context.has(PurePosixPath(secret))


@pytest.mark.skipif(shutil.which("gcloud") is None, reason="gcloud is not installed here")
def test_gcloud_uploads_what_the_image_is_made_of_and_nothing_else() -> None:
    command = ["gcloud", "meta", "list-files-for-upload", str(ROOT)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    context = {str(path) for path in Context.of(ROOT).files()}
    assert set(told) == context | {"Dockerfile", ".dockerignore"}
