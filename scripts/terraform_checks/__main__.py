"""`python -m scripts.terraform_checks`: checks infra/terraform and ends with 1 where something is wrong.

With `--write` it writes the tables in the module's README first. Where there is a Terraform, formatting is
checked, too; nothing is fetched.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator

from scripts.terraform_checks import arguments, environment, pages, references, roles
from scripts.terraform_checks.module import ROOT, Module, load
from scripts.terraform_checks.schema import load_schema


def problems(module: Module) -> Iterator[str]:
    """All that is wrong with the module."""
    schema = load_schema()
    yield from arguments.check(module, schema)
    yield from arguments.unused(module, schema)
    yield from references.check(module, schema)
    yield from environment.check(module)
    yield from roles.check(module)
    yield from pages.check(module)
    yield from _unformatted()


def main() -> int:
    """The exit code."""
    module = load()
    if "--write" in sys.argv[1:]:
        pages.write(module)
    found = list(problems(module))
    for problem in found:
        print(f"infra/terraform: {problem}", file=sys.stderr)
    return 1 if found else 0


def _unformatted() -> Iterator[str]:
    command = shutil.which("terraform") or shutil.which("tofu")
    if command is None:
        return
    done = subprocess.run(
        [command, f"-chdir={ROOT}", "fmt", "-check"], capture_output=True, text=True, check=False
    )
    for name in done.stdout.split():
        yield f"{name} is not formatted: `terraform fmt`"


if __name__ == "__main__":
    raise SystemExit(main())
