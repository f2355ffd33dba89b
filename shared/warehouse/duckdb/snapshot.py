"""A read-only copy of the warehouse file, for people to query while a process writes.

A DuckDB file has one process at a time. So the writing process keeps a copy beside it,
`<name>.snapshot.duckdb`, and replaces it now and then, in one step: whoever has the old copy open keeps
it, whoever opens it afterwards sees the new one. The copy can be thrown away at any time.
"""

from __future__ import annotations

import asyncio
import errno
import os

import duckdb

from shared.clock import Clock
from shared.errors import StorageError
from shared.warehouse.duckdb import requests
from shared.warehouse.duckdb.engine import Engine
from shared.warehouse.duckdb.execute import execute
from shared.warehouse.duckdb.failures import disk_full, snapshot_path_of

_COPIES_COST_AT_MOST = 1 / 20
_CHUNK = 8 * 1024 * 1024
_READ_ONLY = 0o444
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_CANNOT_COPY_RANGES = frozenset({errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM})


class Snapshot:
    """Says when the copy is due, and makes it.

    It is due when somebody asks for it (see `requests`), and by itself when the warehouse has changed since
    the last one, `interval` seconds have passed, and so has twenty times what the last one took: copies that
    nobody asked for never take more than a twentieth of the time.
    """

    def __init__(self, engine: Engine, clock: Clock, *, interval: float) -> None:
        self.path = snapshot_path_of(engine.path)
        self._engine = engine
        self._clock = clock
        self._interval = interval
        self._stale = True
        self._not_before = clock.monotonic()

    def note_change(self) -> None:
        """The warehouse is no longer what the copy shows."""
        self._stale = True

    async def refresh(self, *, force: bool) -> bool:
        """Make the copy if it is due, or with `force` if only anything has changed; True if it was made.

        `StorageError` when it cannot be written; the warehouse itself is then as good as before.
        """
        wanted = await asyncio.to_thread(requests.pending, self.path)
        due = force or bool(wanted) or self._clock.monotonic() >= self._not_before
        made = due and self._stale and await self._engine.run(self._refresh)
        requests.granted(wanted)
        return made

    def _refresh(self, cursor: duckdb.DuckDBPyConnection) -> bool:
        started = self._clock.monotonic()
        self._stale = False
        try:
            # Afterwards the file alone holds everything, and nothing writes to it while this job runs.
            execute(cursor, "CHECKPOINT")
            self._copy()
        except BaseException:
            self._stale = True
            raise
        finally:
            ended = self._clock.monotonic()
            self._not_before = ended + max(self._interval, (ended - started) / _COPIES_COST_AT_MOST)
        return True

    def _copy(self) -> None:
        temporary = self.path.with_name(f"{self.path.name}.tmp")
        try:
            temporary.unlink(missing_ok=True)
            target = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _READ_ONLY)
            try:
                copy_bytes(self._engine.descriptor(), target)
            finally:
                os.close(target)
            # A log that somebody left by writing to the old copy must not be worked into the new one.
            self.path.with_name(f"{self.path.name}.wal").unlink(missing_ok=True)
            temporary.replace(self.path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            if error.errno in _FULL:
                raise disk_full(self.path) from error
            raise StorageError(
                f"the read-only copy {self.path} cannot be written: {error.strerror}",
                advice="Check that this user may write in the folder; the warehouse itself is unharmed.",
            ) from error


def copy_bytes(source: int, target: int) -> None:
    """Copy a whole file between descriptors; file systems that can share blocks copy nothing."""
    size, offset = os.fstat(source).st_size, 0
    try:
        while offset < size:
            offset += _copied(os.copy_file_range(source, target, size - offset, offset, offset))
    except (AttributeError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in _CANNOT_COPY_RANGES:
            raise
        while offset < size:
            piece = os.pread(source, min(_CHUNK, size - offset), offset)
            offset += _copied(os.pwrite(target, piece, offset))


def _copied(count: int) -> int:
    if count == 0:
        raise OSError(errno.EIO, "the file ended early")
    return count
