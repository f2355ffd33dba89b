"""Runs the steps of all stages in one folder, in the place of a container's file system.

A stage's files are below `FOLDER/root` while it is built and are moved to `FOLDER/stages/NAME` when it is
done, so that all stages have the same paths, as in containers. `/usr/local`, where the base image has its
Python, is a virtual environment of the Python at hand, one for each stage. A step that names any other path
of the operating system is refused and never run.

What this cannot show: the base image itself, users and their rights, and whether a wheel fits its system.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import venv
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from scripts.build_image.context import Context
from scripts.build_image.dockerfile import DockerfileError, Instruction, Stage

_PATH: Final = re.compile(r"(?<![\w.:/*$}=-])/[\w.][\w./*-]*|(?<==)/[\w.][\w./*-]*")
"""An absolute path in a shell command."""

_SYSTEM: Final = frozenset(
    {"bin", "boot", "dev", "etc", "home", "lib", "lib64", "proc", "root", "run", "sbin", "sys", "usr", "var"}
)
_KEPT: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR", "LANG", "LC_ALL")
STEP_SECONDS: Final = 900.0


class StepError(Exception):
    """A step failed; the text has its line, itself and the end of what it said."""


@dataclass
class Building:
    """The building of one image in `folder`, which is to be empty; `tell` hears of every step."""

    context: Context
    folder: Path
    tell: Callable[[str], None] = print
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)

    @property
    def root(self) -> Path:
        """The file system of the stage that is being built; at the end that of the image."""
        return self.folder / "root"

    def run(self, stages: list[Stage]) -> None:
        """All stages, one after the other; the last one's files stay at `root`."""
        for stage in stages:
            _Stage(self, stage).run()
            if stage is not stages[-1]:
                kept = self.folder / "stages" / stage.name
                kept.parent.mkdir(exist_ok=True)
                self.root.rename(kept)


class _Stage:
    """One stage while it is built."""

    def __init__(self, building: Building, stage: Stage) -> None:
        self._building = building
        self._stage = stage
        self._local = building.folder / "local" / stage.name
        self._workdir = PurePosixPath("/")

    def run(self) -> None:
        self._building.root.mkdir(parents=True)
        steps = {"RUN": self._run, "COPY": self._copy, "WORKDIR": self._change}
        for instruction in self._stage.instructions:
            step = steps.get(instruction.name)
            if step:
                self._building.tell(f"{instruction.line:>4}  {instruction.name} {instruction.text[:100]}")
                step(instruction)

    def _change(self, instruction: Instruction) -> None:
        self._workdir = self._workdir / instruction.text
        self._here(self._workdir, instruction).mkdir(parents=True, exist_ok=True)

    def _copy(self, instruction: Instruction) -> None:
        words = instruction.text.split()
        flags = [word for word in words if word.startswith("--")]
        *sources, destination = [word for word in words if not word.startswith("--")]
        target = self._here(self._workdir / destination, instruction)
        into = destination.endswith("/") or destination == "." or len(sources) > 1
        origin = next((flag.removeprefix("--from=") for flag in flags if flag.startswith("--from=")), None)
        for source in sources:
            if origin is None:
                self._copy_from_context(instruction, source, target, into=into)
            else:
                _copy_tree(self._building.folder / "stages" / origin / source.lstrip("/"), target)

    def _copy_from_context(self, instruction: Instruction, source: str, target: Path, *, into: bool) -> None:
        context = self._building.context
        files = list(context.files(source))
        if not files:
            raise DockerfileError(
                f"line {instruction.line}: {source} is not in the context: it does not exist, or "
                ".dockerignore leaves it out"
            )
        for file in files:
            if (context.root / source).is_dir():
                to = target / file.relative_to(PurePosixPath(source))
            else:
                to = target / file.name if into else target
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(context.root / file, to)

    def _run(self, instruction: Instruction) -> None:
        def place(found: re.Match[str]) -> str:
            return str(self._here(PurePosixPath(found[0]), instruction))

        command = _PATH.sub(place, instruction.text)
        if not self._local.exists():
            wants_pip = any("pip" in step.text for step in self._stage.all("RUN"))
            venv.create(self._local, with_pip=wants_pip, symlinks=True)
        done = subprocess.run(
            ["/bin/sh", "-ec", command],
            cwd=self._here(self._workdir, instruction),
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=STEP_SECONDS,
            check=False,
        )
        if done.returncode:
            said = (done.stdout + done.stderr).strip()[-2_000:]
            raise StepError(
                f"line {instruction.line}: {instruction.text}\n{said}\nexit code {done.returncode}"
            )

    def _environment(self) -> dict[str, str]:
        """What a step sees: nothing of ours but how pip reaches its index and keeps what it fetched."""
        outside = self._building.environ
        kept = {
            name: value
            for name, value in outside.items()
            if name in _KEPT or name.startswith("PIP_") or name.lower().endswith("_proxy")
        }
        cache = outside.get("PIP_CACHE_DIR") or str(self._building.folder / "cache")
        search = f"{self._local / 'bin'}:/usr/bin:/bin"
        said = {name: value for name, value in self._stage.variables.items() if name != "PATH"}
        home = {"HOME": outside.get("HOME", "/"), "TMPDIR": str(self._scratch()), "PIP_CACHE_DIR": cache}
        return {**kept, **home, **said, "PATH": search}

    def _scratch(self) -> Path:
        folder = self._building.folder / "tmp"
        folder.mkdir(exist_ok=True)
        return folder

    def _here(self, path: PurePosixPath, instruction: Instruction) -> Path:
        """Where an absolute path of the container is on this machine."""
        if ".." in path.parts:
            raise DockerfileError(f"line {instruction.line}: {path} leads out of where it is")
        if path.is_relative_to("/usr/local"):
            return self._local / path.relative_to("/usr/local")
        if path.parts[1:] and path.parts[1] in _SYSTEM:
            raise DockerfileError(f"line {instruction.line}: {path} is the operating system's")
        return self._building.root / path.relative_to("/")


def _copy_tree(source: Path, target: Path) -> None:
    if not source.exists():
        raise DockerfileError(f"{source} is not in the stage that it is to be copied from")
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
