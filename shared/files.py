"""Files that survive a crash and are shared by processes: atomic replacement, locks, errors as advice."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

from shared.errors import StorageError

TEMPORARY_PREFIX = ".tmp-"
"""How the names of files begin that are being written; a process that is killed may leave one behind."""

_FIRST_PAUSE_SECONDS = 0.000_5
_LONGEST_PAUSE_SECONDS = 0.02

_MEANINGS = {
    errno.ENOSPC: ("the disk is full", "Make room on the disk; what was written before is safe."),
    errno.EDQUOT: ("the disk quota is used up", "Make room, or have the quota raised."),
    errno.EFBIG: ("the file would be larger than allowed", "Raise the limit on file sizes (`ulimit -f`)."),
    errno.EROFS: ("the file system is read-only", "Mount it for writing, or choose another place."),
    errno.EACCES: ("permission denied", "Give this user access to it and to the folders above it."),
    errno.EPERM: ("permission denied", "Give this user access to it and to the folders above it."),
    errno.ENOTDIR: ("a file is where a folder should be", "Move the file away, or choose another place."),
    errno.EEXIST: ("a file is where a folder should be", "Move the file away, or choose another place."),
    errno.EISDIR: ("a folder is where a file should be", "Move the folder away, or choose another place."),
    errno.ENAMETOOLONG: ("the name is too long for the file system", "Choose a shorter one."),
    errno.EMFILE: ("too many open files", "Raise the limit on open files (`ulimit -n`)."),
    errno.ENFILE: ("too many open files on this machine", "Raise the machine's limit (`fs.file-max`)."),
    errno.EIO: ("the disk failed to read or write", "Look for a failing disk (`dmesg`)."),
}


def storage_error(what: str, path: Path, error: OSError) -> StorageError:
    """What the operating system's error means for `what` (say, "the objects"), and what to do."""
    meaning, advice = _MEANINGS.get(
        error.errno or 0, (error.strerror or str(error), "Check that the place exists and can be used.")
    )
    return StorageError(f"{what}: {path}: {meaning}", advice=advice)


def make_folder(path: Path) -> None:
    """Make a folder and those above it that there are not, readable by this user only, durably."""
    missing = []
    while not path.is_dir():
        missing.append(path)
        path = path.parent
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)
        sync_folder(folder.parent)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable, such as that of a file that was just moved there."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def staged(path: Path, data: bytes) -> Iterator[Path]:
    """`data`, safely on the disk in a 0600 file beside `path`, to be moved there; else removed at the end."""
    temporary = path.parent / f"{TEMPORARY_PREFIX}{os.getpid()}-{secrets.token_hex(8)}"
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(path: Path, *, patience_seconds: float = 30.0) -> Iterator[None]:
    """Hold the lock file at `path` against other holders, in this process or another; a death lets go of it.

    Blocks the thread; `StorageError` when it is still held elsewhere after `patience_seconds`.
    """
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + patience_seconds
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise StorageError(
                        f"{path} is held by another process",
                        advice=f"Find it with `fuser {path}`; it may be stopped, or its disk may hang.",
                    ) from None
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        yield
    finally:
        os.close(descriptor)
