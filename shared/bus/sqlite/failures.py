"""SQLite's errors, as what a person can do about them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from shared.errors import StorageError

_PRIMARY_CODE = 0xFF
"""Extended result codes carry the primary one in their low byte (documented in SQLite's "Result Codes")."""

_MEANINGS = {
    sqlite3.SQLITE_FULL: (
        "the disk is full",
        "Make room on the disk; what was published before is safe, and publishing goes on by itself.",
    ),
    sqlite3.SQLITE_IOERR: (
        "the disk failed to read or write",
        "Look for a quota, a limit on file sizes (`ulimit -f`) or a failing disk (`dmesg`).",
    ),
    sqlite3.SQLITE_READONLY: (
        "the file may not be written",
        "Give this user write access to the file and its folder, or name another file.",
    ),
    sqlite3.SQLITE_PERM: ("the file may not be used", "Give this user access to the file and its folder."),
    sqlite3.SQLITE_AUTH: ("the file may not be used", "Give this user access to the file and its folder."),
    sqlite3.SQLITE_CANTOPEN: (
        "the file cannot be opened",
        "Check that it is a file, and that this user may read and write it and its folder.",
    ),
    sqlite3.SQLITE_NOTADB: (
        "the file is not an SQLite database",
        "Name another file, or move this one away; a new bus is made where there is none.",
    ),
    sqlite3.SQLITE_CORRUPT: (
        "the file is damaged",
        "Move it and its `-wal` and `-shm` files away and run `backfill`: a new bus is made, and what was "
        "waiting is read from Productive again. The dead letters may be saved with `sqlite3 FILE .recover`.",
    ),
    sqlite3.SQLITE_BUSY: (
        "another process keeps the file locked",
        "Find it with `fuser FILE` (an open `sqlite3` shell, a backup) and end what it is doing.",
    ),
    sqlite3.SQLITE_TOOBIG: (
        "a message is too large for SQLite",
        "Split it: a row holds at most a billion bytes.",
    ),
}
_MEANINGS[sqlite3.SQLITE_LOCKED] = _MEANINGS[sqlite3.SQLITE_PROTOCOL] = _MEANINGS[sqlite3.SQLITE_BUSY]
_OTHER = ("the file cannot be used", "Check it with `sqlite3 FILE 'PRAGMA integrity_check'`.")


def storage_error(path: Path, error: sqlite3.Error) -> StorageError:
    """What an exception of SQLite means; the file is named."""
    code = getattr(error, "sqlite_errorcode", None)
    what, advice = _MEANINGS.get(code & _PRIMARY_CODE if code is not None else -1, _OTHER)
    return StorageError(f"the bus {path}: {what} ({error})", advice=advice.replace("FILE", str(path)))


def is_locked(error: BaseException) -> bool:
    """Whether another connection was in the way, so that the same call may succeed a moment later."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & _PRIMARY_CODE in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
