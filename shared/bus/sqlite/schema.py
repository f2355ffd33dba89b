"""The bus's file: opened, made when there is none, checked to be ours."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from pathlib import Path

from shared.bus.sqlite.failures import is_locked
from shared.errors import StorageError
from shared.files import make_folder

VERSION = 1
_APPLICATION_ID = 0x50425553  # "PBUS"

LOCK_PATIENCE_SECONDS = 30.0
_WAL_BYTES = 16 * 1024 * 1024
_PAGE_BYTES = 4_096

# Leases and acks rewrite `messages` only, so that a page of the crawl is written once, in `contents`.
# `available_us` is 0 while a message is ready, and otherwise when its lease or its delay ends. Ready
# messages are not compared with the clock: one that steps back cannot hide them.
# AUTOINCREMENT: an id is never used again, so that a late ack can never mean another message.
_TABLES = """
CREATE TABLE messages (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  size INTEGER NOT NULL,
  published_us INTEGER NOT NULL,
  rank_us INTEGER NOT NULL,
  available_us INTEGER NOT NULL DEFAULT 0,
  leased INTEGER NOT NULL DEFAULT 0,
  attempts INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX messages_by_turn ON messages (available_us, rank_us);
CREATE TABLE contents (id INTEGER PRIMARY KEY, attributes TEXT NOT NULL, body BLOB NOT NULL);
CREATE TABLE dead_letters (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  attempts INTEGER NOT NULL,
  died_us INTEGER NOT NULL,
  reason TEXT NOT NULL,
  attributes TEXT NOT NULL,
  body BLOB NOT NULL
);
CREATE TABLE totals (messages INTEGER NOT NULL, bytes INTEGER NOT NULL, dead_letters INTEGER NOT NULL);
INSERT INTO totals VALUES (0, 0, 0);
CREATE TRIGGER message_published AFTER INSERT ON messages BEGIN
  UPDATE totals SET messages = messages + 1, bytes = bytes + new.size;
END;
CREATE TRIGGER message_done AFTER DELETE ON messages BEGIN
  DELETE FROM contents WHERE id = old.id;
  UPDATE totals SET messages = messages - 1, bytes = bytes - old.size;
END;
CREATE TRIGGER dead_letter_kept AFTER INSERT ON dead_letters BEGIN
  UPDATE totals SET dead_letters = dead_letters + 1;
END;
CREATE TRIGGER dead_letter_gone AFTER DELETE ON dead_letters BEGIN
  UPDATE totals SET dead_letters = dead_letters - 1;
END;
"""


def open_file(path: Path) -> sqlite3.Connection:
    """A connection to the bus's file, for the thread that calls; waits a while for other processes.

    `sqlite3.Error` or `OSError` when it cannot be opened, `StorageError` when it is not a bus of ours.
    """
    make_folder(path.parent)
    # Exclusively, because closing a second descriptor of a file that is in use would drop its POSIX locks.
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(
        path, timeout=LOCK_PATIENCE_SECONDS, isolation_level=None, cached_statements=64
    )
    try:
        _prepare_patiently(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare_patiently(connection: sqlite3.Connection, path: Path) -> None:
    """SQLite does not wait by itself when two processes turn a new file to WAL at once."""
    deadline = time.monotonic() + LOCK_PATIENCE_SECONDS
    while True:
        try:
            return _prepare(connection, path)
        except sqlite3.OperationalError as error:
            if not is_locked(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    _refuse_foreign(connection, path)
    # The first two count only for a file that is still empty, and must come before WAL.
    connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise StorageError(
            f"the bus {path}: its file system cannot share memory between processes (journal mode {mode})",
            advice="Put the file on a local disk, not on a network share.",
        )
    connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")
    connection.execute("PRAGMA secure_delete = FAST")
    connection.execute("PRAGMA trusted_schema = OFF")
    if _version(connection) == 0:
        connection.execute("BEGIN IMMEDIATE")
        try:
            if _version(connection) == 0:
                for statement in _statements(_TABLES):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise


def _refuse_foreign(connection: sqlite3.Connection, path: Path) -> None:
    # One statement, hence one snapshot: another process may be making the file right now.
    application, version, objects = connection.execute(
        "SELECT (SELECT application_id FROM pragma_application_id),"
        " (SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_schema)"
    ).fetchone()
    if application != _APPLICATION_ID and (application or version or objects):
        raise StorageError(
            f"the bus {path}: the file is an SQLite database of something else",
            advice="Name another file; a new bus is made where there is none.",
        )
    if version > VERSION:
        raise StorageError(
            f"the bus {path}: made by a newer productive-ingest (format {version}, known: {VERSION})",
            advice="Update productive-ingest, or name another file.",
        )


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _statements(script: str) -> list[str]:
    """The script's statements; `executescript` would commit the transaction they belong to."""
    statements, current = [], ""
    for line in script.splitlines(keepends=True):
        current += line
        if sqlite3.complete_statement(current):
            statements.append(current.strip())
            current = ""
    return statements
