"""The steps of a Dockerfile are run as Docker would run them, and what Docker would refuse is refused."""

from __future__ import annotations

import json
import os
from importlib.metadata import distributions
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.build_image.__main__ import build
from scripts.build_image.context import Context
from scripts.build_image.dockerfile import DockerfileError, read_dockerfile
from scripts.build_image.steps import Building, StepError

SMALL = """
ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm
FROM ${PYTHON_IMAGE} AS builder
WORKDIR /build
COPY program.py texts ./
# A comment, also within a step:
RUN mkdir -p /opt/tool && \\
    # here
    cp "$(command -v env)" /opt/tool/say && \\
    python -c 'import sys; print(sys.prefix)' > /opt/tool/python

FROM ${PYTHON_IMAGE}
COPY --from=builder /opt/tool /opt/tool
RUN test ! -e /build && echo done > /opt/tool/after
ENTRYPOINT ["/opt/tool/say", "echo", "it runs:"]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "texts").mkdir(parents=True)
    (root / "program.py").write_text("print('hello')\n")
    (root / "texts" / "one.txt").write_text("one\n")
    (root / "secret.txt").write_text("hidden\n")
    (root / ".dockerignore").write_text("secret.txt\n")
    (root / "Dockerfile").write_text(SMALL)
    return root


def test_all_stages_are_built_one_after_the_other_and_the_program_starts(
    project: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "image"
    folder.mkdir()
    assert build(folder, project) == "it runs: --version"
    assert (folder / "stages/builder/build/program.py").exists()
    assert (folder / "stages/builder/build/one.txt").exists(), "a folder's content is copied, not the folder"
    assert not (folder / "root/build").exists()
    assert (folder / "root/opt/tool/after").read_text() == "done\n"
    assert (folder / "root/opt/tool/python").read_text().strip() == str(folder / "local/builder")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("COPY secret.txt ./", "secret.txt is not in the context"),
        ("COPY missing ./", "missing is not in the context"),
        ("COPY --from=other /opt /opt", "is not in the stage"),
        ("RUN touch /etc/profile", "/etc/profile is the operating system's"),
        ("RUN rm -rf /usr/lib/python3", "/usr/lib/python3 is the operating system's"),
        ("RUN echo x >/var/lib/x", "/var/lib/x is the operating system's"),
        ("WORKDIR /opt/../../etc", "leads out of where it is"),
    ],
)
def test_a_step_that_cannot_work_or_would_touch_this_machine_is_refused(
    project: Path, tmp_path: Path, line: str, told: str
) -> None:
    stages = read_dockerfile(f"FROM python:3\n{line}\n")
    with pytest.raises(DockerfileError, match=told):
        Building(Context.of(project), tmp_path / "image", tell=lambda _: None).run(stages)


def test_a_step_that_fails_is_told_with_its_line_and_what_it_said(project: Path, tmp_path: Path) -> None:
    stages = read_dockerfile("FROM python:3\n\nRUN true && \\\n  echo no room && exit 3\n")
    with pytest.raises(StepError, match=r"(?s)line 3: true && echo no room.*no room.*exit code 3"):
        Building(Context.of(project), tmp_path / "image", tell=lambda _: None).run(stages)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("RUN true", "stands before the first FROM"),
        ("FROM python:3\nADD x y", "ADD is not known here"),
        ("FROM ${MISSING}", "no ARG or ENV MISSING"),
        ("FROM python:3\nENV PATH /bin", "as key=value"),
        ("FROM python:3\nRUN true \\", "goes on after the end"),
        ("# nothing", "no FROM"),
    ],
)
def test_a_mistake_in_the_file_is_told(text: str, told: str) -> None:
    with pytest.raises(DockerfileError, match=told):
        read_dockerfile(text)


@pytest.mark.parametrize(
    ("ignore", "path", "seen"),
    [
        ("", "a/b.py", True),
        ("*", "a/b.py", False),
        ("*\n!a", "a/b.py", True),
        ("*\n!a\n**/*.pyc", "a/c/b.pyc", False),
        ("*\n!a\n**/__pycache__", "a/__pycache__/b", False),
        ("*\n!a\n**/__pycache__", "__pycache__/b", False),
        ("*.md", "docs/a.md", True),
        ("# a\n\n!x", "a", True),
        ("a?.py", "ab.py", False),
        ("a?.py", "a/.py", True),
        ("a.py", "axpy", True),
    ],
)
def test_the_context_leaves_out_what_dockerignore_says(ignore: str, path: str, seen: bool) -> None:
    assert Context(Path("/nowhere"), ignore).has(PurePosixPath(path)) is seen


names = st.text("ab*?.[(+", min_size=1, max_size=4).filter(lambda name: name.strip(".") != "")


@settings(deadline=None)
@given(st.lists(names, min_size=1, max_size=3))
def test_a_name_taken_in_by_itself_is_seen_whatever_it_is(parts: list[str]) -> None:
    path = "/".join(part.replace("*", "x").replace("?", "x") for part in parts)
    assert Context(Path("/nowhere"), f"*\n!{path}").has(PurePosixPath(path))


@pytest.mark.skipif(
    "PRODUCTIVE_INGEST_TEST_IMAGE" not in os.environ,
    reason="fetches every package of the image; PRODUCTIVE_INGEST_TEST_IMAGE=1 runs it",
)
@pytest.mark.timeout(1_200)
def test_the_images_own_steps_lead_to_a_program_without_any_build_tool(tmp_path: Path) -> None:
    assert build(tmp_path).startswith("productive-ingest, version ")
    image = tmp_path / "root/opt/productive-ingest"
    [packages] = image.glob("lib/python*/site-packages")
    installed = {one.name for one in distributions(path=[str(packages)])}
    assert not installed & {"pip", "setuptools", "wheel", "hatchling", "editables", "pytest"}
    assert {"google-cloud-pubsub", "google-cloud-bigquery-storage", "opentelemetry-sdk"} <= installed
    bill = json.loads((image / "sbom.cdx.json").read_text())
    assert len(bill["components"]) == len(installed), "all but our own package, and Python"
