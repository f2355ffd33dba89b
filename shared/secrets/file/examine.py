"""Looks at secrets in a file: whether it can be used, and by nobody else."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from shared.errors import IngestError
from shared.google.examination import Examination
from shared.google.findings import Finding, good, problem
from shared.room import look_at_file
from shared.secrets.file.connect import connect
from shared.urls import path_of


async def examine(url: str, _examination: Examination) -> Sequence[Finding]:
    """See `shared.google.examination`; never shows a secret."""
    path = path_of(url).absolute()
    found = list(look_at_file(path, path.name))
    if found:
        return found
    if not path.exists():
        return [good(path.name, "is made when there is a secret to keep")]
    if path.stat().st_mode & 0o077:
        fix = f"chmod 600 {shlex.quote(str(path))}"
        return [problem(path.name, "others than its owner may read it", fix)]
    try:
        names = await (await connect(url)).names()
    except IngestError as error:
        return [problem(path.name, f"{error.message}. {error.advice}")]
    return [good(path.name, f"only its owner may read it; it holds {', '.join(names) or 'nothing'}")]
