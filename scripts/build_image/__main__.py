"""`python -m scripts.build_image FOLDER`: the steps of the Dockerfile in an empty folder, without Docker."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from scripts.build_image.context import Context
from scripts.build_image.dockerfile import DockerfileError, read_dockerfile
from scripts.build_image.steps import Building, StepError

ROOT = Path(__file__).parents[2]


def build(folder: Path, root: Path = ROOT) -> str:
    """Run all steps, and then what the image would start with `--version`; returns what that prints."""
    stages = read_dockerfile((root / "Dockerfile").read_text(encoding="utf-8"))
    building = Building(Context.of(root), folder)
    building.run(stages)
    entry = stages[-1].words("ENTRYPOINT")
    program = building.root / entry[0].lstrip("/")
    done = subprocess.run(
        [program, *entry[1:], "--version"],
        cwd="/",
        env={"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise StepError(f"the image would not start: {done.stderr}")
    return done.stdout.strip()


def main() -> int:
    """Exit code 1 when a step fails, 2 when the folder is none that can be used."""
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    folder = Path(sys.argv[1]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        print(f"error: {folder} is not empty", file=sys.stderr)
        return 2
    try:
        print(build(folder))
    except (DockerfileError, StepError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
