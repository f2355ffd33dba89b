"""Writes the file anew, so that nothing is in it but what is in its tables.

DuckDB deletes by marking: rows that were deleted and tables that were dropped stay in the file's bytes until
their blocks are used again (seen with 2.0). Whoever has to forget something wants them gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Final

import duckdb

from shared.errors import StorageError
from shared.files import storage_error, sync_folder
from shared.warehouse.duckdb import sql
from shared.warehouse.duckdb.engine import DuckdbSettings
from shared.warehouse.duckdb.execute import execute
from shared.warehouse.duckdb.failures import translated

_OLD: Final = "as_it_was"


async def rewrite(path: Path, settings: DuckdbSettings | None = None) -> bool:
    """Replace the file, in one step, by one with the same content; False when there is no file.

    Nobody may have it open, and it needs as much room on the disk again for a while. `BusyError` and
    `StorageError` as when it is opened; then the file is as it was.
    """
    return await asyncio.to_thread(_rewrite, path, settings or DuckdbSettings())


def _rewrite(path: Path, settings: DuckdbSettings) -> bool:
    path = path.resolve()
    if not path.exists():
        return False
    unfinished = path.with_name(f"{path.name}.new")
    try:
        unfinished.unlink(missing_ok=True)
        with translated(path):
            _copy(path, unfinished, settings)
        log = path.with_name(f"{path.name}.wal")
        if log.exists():
            raise StorageError(
                f"the warehouse {path} was not closed properly; it has been left as it is",
                advice="Run the command again: opening the file works its log in.",
            )
        _sync(unfinished)
        unfinished.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise storage_error("the warehouse", path, error) from error
    finally:
        for leftover in (unfinished, unfinished.with_name(f"{unfinished.name}.wal")):
            with contextlib.suppress(OSError):
                leftover.unlink(missing_ok=True)
    return True


def _copy(path: Path, target: Path, settings: DuckdbSettings) -> None:
    config: dict[str, str | bool | int | float | list[str]] = {
        "threads": settings.threads,
        "memory_limit": settings.memory_limit,
        "temp_directory": f"{path}.tmp",
        "preserve_insertion_order": False,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    with duckdb.connect(config=config) as connection:
        # Not read-only, though nothing is written: then nobody else can have it open.
        name = str(path).replace("'", "''")
        execute(connection, f"ATTACH '{name}' AS {_OLD} (TYPE duckdb)")
        execute(connection, f"CHECKPOINT {_OLD}")
        execute(connection, sql.attach(target, read_only=False, new=True))
        execute(connection, f"COPY FROM DATABASE {_OLD} TO warehouse")
        execute(connection, "CHECKPOINT warehouse")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
