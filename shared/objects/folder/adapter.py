"""Objects as files: whole or not at all, durable when a call returns, safe between processes."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from shared.clock import MICROSECONDS, Clock
from shared.errors import ConfigError, StorageError
from shared.files import TEMPORARY_PREFIX, locked, make_folder, staged, storage_error, sync_folder
from shared.objects.folder.failures import folder_error
from shared.objects.port import Generation, StoredObject, check_name

T = TypeVar("T")

_THREADS = 8
_LEFT_BEHIND_SECONDS = 3_600
_LOCK = ".lock"


class FolderObjects:
    """See `shared.objects.port.Objects`.

    The object `a/b` is the file `a/b` in the folder; no object can be named as the folder of others.
    Names with a leading dot are ours: the lock and files being written.

    A generation is a digest of the content, so equal contents have equal generations, whoever wrote
    them. That is enough: who compares-and-sets wants to replace exactly what was read, and the same
    bytes are exactly that, even when other bytes were there in between.
    """

    least_seconds_between_writes = 0.0

    def __init__(self, root: Path, *, clock: Clock) -> None:
        self._root = root
        self._clock = clock
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix=f"objects {root.name}")
        # Threads of this process queue here rather than poll for the file's lock.
        self._turn = threading.Lock()

    async def open(self) -> None:
        """Make the folder if need be, and remove what killed writers left there; `StorageError`."""
        await self._run(self._open)

    async def read(self, name: str) -> StoredObject | None:
        """See `Objects.read`."""
        path = self._path(name)
        return await self._run(lambda: _read(path))

    async def write(self, name: str, data: bytes) -> Generation:
        """See `Objects.write`."""
        path = self._path(name)
        return await self._run(lambda: self._write(path, data))

    async def compare_and_set(self, name: str, data: bytes, expected: Generation | None) -> Generation | None:
        """See `Objects.compare_and_set`."""
        path = self._path(name)
        return await self._run(lambda: self._compare_and_set(path, data, expected))

    async def delete(self, name: str) -> bool:
        """See `Objects.delete`."""
        path = self._path(name)
        return await self._run(lambda: self._delete(path))

    async def list(self, prefix: str = "") -> Sequence[str]:
        """See `Objects.list`. `ConfigError` when no name can begin with `prefix`."""
        folder, _, _ = prefix.rpartition("/")
        start = self._path(folder) if folder or prefix.startswith("/") else self._root
        return await self._run(lambda: sorted(name for name in self._names(start) if name.startswith(prefix)))

    async def close(self) -> None:
        """See `Objects.close`. What is under way is finished."""
        await asyncio.to_thread(self._executor.shutdown)

    def _path(self, name: str) -> Path:
        return self._root / check_name(name)

    async def _run(self, call: Callable[[], T]) -> T:
        try:
            future = asyncio.get_running_loop().run_in_executor(self._executor, call)
        except RuntimeError:
            raise StorageError(f"the objects {self._root} are closed") from None
        try:
            return await future
        except OSError as error:
            raise folder_error(self._root, error) from error

    def _open(self) -> None:
        try:
            make_folder(self._root)
        except OSError as error:
            # No object is concerned yet, so that the plain meaning of the error is the right one.
            raise storage_error("the objects", self._root, error) from error
        oldest = self._clock.now_us() / MICROSECONDS - _LEFT_BEHIND_SECONDS
        for folder, _, files in os.walk(self._root, onerror=_tell):
            for file in files:
                if file.startswith(TEMPORARY_PREFIX):
                    path = Path(folder, file)
                    with contextlib.suppress(FileNotFoundError):
                        if path.stat().st_mtime < oldest:
                            path.unlink()

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with self._turn, locked(self._root / _LOCK):
            yield

    def _write(self, path: Path, data: bytes) -> Generation:
        make_folder(path.parent)
        with staged(path, data) as temporary, self._locked():
            temporary.replace(path)
        sync_folder(path.parent)
        return _generation(data)

    def _compare_and_set(self, path: Path, data: bytes, expected: Generation | None) -> Generation | None:
        make_folder(path.parent)
        with staged(path, data) as temporary, self._locked():
            current = _read(path)
            if (current.generation if current else None) != expected:
                return None
            temporary.replace(path)
        sync_folder(path.parent)
        return _generation(data)

    def _delete(self, path: Path) -> bool:
        try:
            with self._locked():
                path.unlink()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return False
        sync_folder(path.parent)
        return True

    def _names(self, start: Path) -> Iterator[str]:
        for folder, _, files in os.walk(start, onerror=_tell):
            for file in files:
                name = Path(folder, file).relative_to(self._root).as_posix()
                # Somebody else's files, a `#backup#` for one, are no objects.
                with contextlib.suppress(ConfigError):
                    yield check_name(name)


def _tell(error: OSError) -> None:
    """`os.walk` leaves out what it cannot look into; a list must not, except what has just been deleted."""
    if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
        raise error


def _read(path: Path) -> StoredObject | None:
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    return StoredObject(data, _generation(data))


def _generation(data: bytes) -> Generation:
    return Generation(hashlib.blake2b(data, digest_size=16).hexdigest())
