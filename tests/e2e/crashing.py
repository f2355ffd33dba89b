"""The real command, killed at a moment of choice: `python -m tests.e2e.crashing POINT:N backfill`.

When it comes to the point for the N-th time the process gets SIGKILL from itself, so that nothing of it
runs any more: no handler, no `finally`, no flush.
"""

from __future__ import annotations

import functools
import itertools
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from services.backfill.checkpoint import CheckpointStore
from services.cli.main import main
from shared.bus.sqlite.adapter import SqliteBus
from shared.objects.folder.adapter import FolderObjects
from shared.warehouse.duckdb import execute as statements
from shared.warehouse.duckdb.snapshot import Snapshot

POINTS: dict[str, tuple[Any, str, Callable[..., bool]]] = {
    "before-publish": (SqliteBus, "publish", lambda *_: True),
    "between-publish-and-checkpoint": (CheckpointStore, "save_table", lambda *_: True),
    "before-ending-the-run": (CheckpointStore, "save_run", lambda _, run: run.finished_us is not None),
    "before-commit": (statements, "execute", lambda _, statement, *__: statement == "COMMIT"),
    "between-write-and-ack": (SqliteBus, "ack", lambda *_: True),
    "before-copy": (Snapshot, "_copy", lambda *_: True),
    "before-giving-up-a-lease": (FolderObjects, "compare_and_set", lambda _, __, data, ___: not data),
}
"""Where, before which call, and for which arguments."""


def arm(point: str, times: int) -> None:
    """Make the process die when it comes to `point` for the `times`-th time."""
    owner, name, applies = POINTS[point]
    real = getattr(owner, name)
    passed = itertools.count(1)

    @functools.wraps(real)
    def deadly(*arguments: Any, **named: Any) -> Any:
        if applies(*arguments) and next(passed) == times:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **named)

    setattr(owner, name, deadly)


if __name__ == "__main__":
    chosen, _, count = sys.argv.pop(1).partition(":")
    arm(chosen, int(count))
    main()
