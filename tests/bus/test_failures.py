"""Real errors of SQLite, as a person is told them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from shared.bus.sqlite.failures import is_locked, storage_error

Fault = Callable[[Path], None]


def full(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE t (body BLOB)")
        db.execute("PRAGMA max_page_count = 3")
        db.execute("INSERT INTO t VALUES (zeroblob(100000))")


def read_only(path: Path) -> None:
    sqlite3.connect(path).close()
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        db.execute("CREATE TABLE t (body BLOB)")


def missing(path: Path) -> None:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        db.execute("SELECT 1")


def no_database(path: Path) -> None:
    path.write_bytes(b"x" * 5_000)
    with closing(sqlite3.connect(path)) as db:
        db.execute("SELECT * FROM sqlite_schema")


def damaged(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE t (body BLOB)")
        db.execute("INSERT INTO t VALUES (zeroblob(100000))")
    content = bytearray(path.read_bytes())
    content[4096:8192] = b"\xff" * 4096
    path.write_bytes(content)
    with closing(sqlite3.connect(path)) as db:
        db.execute("SELECT sum(length(body)) FROM t").fetchall()


def locked(path: Path) -> None:
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as one,
        closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as other,
    ):
        one.execute("BEGIN EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")


def too_big(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 10_000)
        db.execute("SELECT ?", (b"x" * 20_000,))


def of_no_meaning_to_us(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("SELECT * FROM nowhere")


@pytest.mark.parametrize(
    ("fault", "meaning", "advice"),
    [
        (full, "the disk is full", "Make room"),
        (read_only, "may not be written", "write access"),
        (missing, "cannot be opened", "read and write it"),
        (no_database, "not an SQLite database", "another file"),
        (damaged, "damaged", "backfill"),
        (locked, "locked", "fuser {path}"),
        (too_big, "too large", "Split"),
        (of_no_meaning_to_us, "no such table", "sqlite3 {path} 'PRAGMA integrity_check'"),
    ],
)
def test_an_error_of_sqlite_says_what_to_do(tmp_path: Path, fault: Fault, meaning: str, advice: str) -> None:
    path = tmp_path / "bus.db"
    with pytest.raises(sqlite3.Error) as caught:
        fault(path)
    error = storage_error(path, caught.value)
    assert str(path) in error.message
    assert meaning in error.message
    assert advice.format(path=path) in error.advice
    assert is_locked(caught.value) == (fault is locked)


def test_a_misuse_of_sqlite_has_no_code_and_is_told_as_it_is(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "bus.db")
    db.close()
    with pytest.raises(sqlite3.ProgrammingError) as caught:
        db.execute("SELECT 1")
    assert "closed database" in storage_error(tmp_path / "bus.db", caught.value).message
    assert not is_locked(caught.value)
