"""One DuckDB file, held open by one thread, through which every statement goes."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import duckdb

from shared.errors import StorageError
from shared.files import storage_error, sync_folder
from shared.warehouse.duckdb import sql
from shared.warehouse.duckdb.execute import execute
from shared.warehouse.duckdb.failures import breaks_connection, busy, translated

T = TypeVar("T")
Cursor = duckdb.DuckDBPyConnection

# Two connections of one process share one DuckDB instance, and there shall be one writer.
_written_here: set[Path] = set()


@dataclass(frozen=True)
class DuckdbSettings:
    """What DuckDB may use of the machine.

    - `threads` that a statement may run on.
    - `memory_limit` in DuckDB's text for sizes (`112MiB`, `2GiB`); what does not fit is spilled to disk.
      A checkpoint of a table of 130 columns needs most of 96 MiB (measured).
    - `checkpoint_bytes`: how large the log beside the file may grow before it is worked into the file.
    - `snapshot_seconds`: how old the read-only copy may at least become before it is replaced.
    """

    threads: int = 1
    memory_limit: str = "112MiB"
    checkpoint_bytes: int = 16 * 1024 * 1024
    snapshot_seconds: float = 30.0


class Engine:
    """Opens the file, and runs jobs one after the other, each on a cursor of its own.

    After a failure of the store (a disk that is full, for one) the next job opens the file anew, because
    DuckDB may refuse everything until then; whatever was committed is there.
    """

    def __init__(self, path: Path, *, read_only: bool, settings: DuckdbSettings) -> None:
        self.path = path.resolve()
        self.read_only = read_only
        self._settings = settings
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="duckdb")
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._descriptor: int | None = None
        self._is_writer = False

    async def open(self) -> None:
        """Open or create the file; `BusyError` when somebody else has it, `StorageError` as usual."""
        if not self.read_only:
            if self.path in _written_here:
                raise busy(self.path, holder="this very process")
            _written_here.add(self.path)
            self._is_writer = True
        try:
            await self._submit(self._open)
        except BaseException:
            await self.close()
            raise

    async def run(self, job: Callable[[Cursor], T]) -> T:
        """Run a job in the file's thread; nothing else runs on the file meanwhile.

        A caller that is cancelled does not stop a job that has begun.
        """
        return await self._submit(lambda: self._run(job))

    async def close(self) -> None:
        """Wait for the jobs at hand and let go of the file; may be called again."""
        try:
            with contextlib.suppress(RuntimeError):  # raised when the executor was shut down before
                await self._submit(self._let_go)
        finally:
            self._executor.shutdown(wait=False)
            if self._is_writer:
                self._is_writer = False
                _written_here.discard(self.path)

    def descriptor(self) -> int:
        """A descriptor to read the file's bytes with, to be called in a job and never to be closed.

        POSIX takes a process's locks off a file as soon as it closes any descriptor of that file: had
        we opened and closed it, a second process could write to the file while we do.
        """
        if self._descriptor is None:
            self._descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        return self._descriptor

    async def _submit(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def _run(self, job: Callable[[Cursor], T]) -> T:
        with translated(self.path):
            connection = self._connection or self._open()
            try:
                cursor = connection.cursor()
                try:
                    execute(cursor, sql.USE)
                    return job(cursor)
                finally:
                    cursor.close()
            except duckdb.Error as error:
                if breaks_connection(error):
                    self._disconnect()
                raise

    def _open(self) -> duckdb.DuckDBPyConnection:
        if not self.read_only:
            self._make_folder()
        with translated(self.path):
            # The file is attached and not opened, because only ATTACH takes options of storage.
            if not self.read_only and not self.path.exists():
                self._make_file()
            connection = duckdb.connect(config=self._config())
            try:
                execute(connection, sql.attach(self.path, read_only=self.read_only))
                execute(connection, sql.USE)
                for statement in sql.CONFINE:
                    execute(connection, statement)
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
        self._connection = connection
        return connection

    def _make_file(self) -> None:
        """Give the file its name only once it is a database.

        A process that is killed while DuckDB writes the first blocks, or a disk that is full by then,
        leaves a file that DuckDB would never open again.
        """
        unfinished = self.path.with_name(f"{self.path.name}.new")
        try:
            unfinished.unlink(missing_ok=True)
            with duckdb.connect(config=self._config()) as connection:
                execute(connection, sql.attach(unfinished, read_only=False, new=True))
            unfinished.replace(self.path)
            sync_folder(self.path.parent)
        except OSError as error:
            raise storage_error("the warehouse", self.path, error) from error
        finally:
            with contextlib.suppress(OSError):
                unfinished.unlink(missing_ok=True)

    def _make_folder(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"the folder {self.path.parent} cannot be made: {error.strerror}",
                advice="Make it by hand for this user, or choose another place in the warehouse URL.",
            ) from error

    def _config(self) -> dict[str, str | bool | int | float | list[str]]:
        return {
            "threads": self._settings.threads,
            "memory_limit": self._settings.memory_limit,
            "wal_autocheckpoint": f"{self._settings.checkpoint_bytes}B",
            "temp_directory": f"{self.path}.tmp",
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "python_enable_replacements": False,
        }

    def _prepare(self, connection: duckdb.DuckDBPyConnection) -> None:
        if not self.read_only:
            execute(connection, sql.CREATE_BOOKKEEPING)
        elif not _number(connection, sql.HAS_BOOKKEEPING):
            return
        version = _number(connection, sql.SELECT_FORMAT)
        if version > sql.FORMAT:
            raise StorageError(
                f"the warehouse file {self.path} has format {version}, and this version knows {sql.FORMAT}",
                advice="Install the version of productive-ingest that wrote it, or a later one.",
            )

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            # What a broken connection says when it is closed is no news.
            with contextlib.suppress(duckdb.Error):
                connection.close()

    def _let_go(self) -> None:
        self._disconnect()
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _number(connection: duckdb.DuckDBPyConnection, statement: str) -> int:
    [(number,)] = execute(connection, statement)
    return int(number or 0)
