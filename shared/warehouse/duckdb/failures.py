"""What DuckDB raises, in the words of `shared.errors`.

DuckDB tells most failures of files apart only by text (2.0; seen by provoking each of them), so the
texts are matched here and nowhere else. None of its messages is passed on whole: a conversion error
quotes the value that it would not take.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import duckdb

from shared.errors import BusyError, IngestError, StorageError

_PID = re.compile(r"\(PID (\d+)\)")
_FULL = re.compile(
    r"No space left on device|File too large|Disk quota exceeded|max_temp_directory_size", re.I
)
_LONGEST = 300
_OF_THE_STATEMENT = (
    duckdb.ProgrammingError,
    duckdb.DataError,
    duckdb.IntegrityError,
    duckdb.NotSupportedError,
    duckdb.PermissionException,
)


class _Failure(NamedTuple):
    """A kind of failure, known by DuckDB's exception and its text, in our words."""

    kind: type[duckdb.Error]
    pattern: re.Pattern[str]
    message: str
    advice: str


# The first that fits is taken.
_FAILURES = (
    _Failure(
        duckdb.Error,
        re.compile("not a valid DuckDB database"),
        "{path} is not a DuckDB database",
        "Check the warehouse URL; if nobody needs the file, remove it.",
    ),
    _Failure(
        duckdb.Error,
        re.compile("database file with version number"),
        "{path} was written by another version of DuckDB, in a format that this one cannot read",
        "Install the DuckDB that wrote it, or move the file away and run a full backfill.",
    ),
    _Failure(
        duckdb.Error,
        re.compile("in read-only mode: database does not exist"),
        "there is no warehouse file {path} yet",
        "Run a backfill first, or check the warehouse URL.",
    ),
    _Failure(
        duckdb.Error,
        re.compile("corrupt|checksum|Could not read enough bytes", re.IGNORECASE),
        "the warehouse file {path} is damaged: {reason}",
        "Everything in it can be read from Productive again: move the file away and run a full backfill.",
    ),
    _Failure(
        duckdb.Error,
        re.compile(
            r"Out of Memory|failed to pin block|could not allocate block|\([^)]*used\)", re.IGNORECASE
        ),
        "DuckDB ran out of its memory with {path}: {reason}",
        "Raise the memory limit of the warehouse, or write smaller batches.",
    ),
    _Failure(
        duckdb.IOException,
        re.compile(""),
        "the warehouse file {path} cannot be used: {reason}",
        "Check that the folder exists and that this user may read and write there.",
    ),
)


def snapshot_path_of(path: Path) -> Path:
    """Where the read-only copy of a warehouse file lies: `agency.duckdb` has `agency.snapshot.duckdb`."""
    return path.with_name(f"{path.stem}.snapshot.duckdb")


def breaks_connection(error: duckdb.Error) -> bool:
    """Whether the file has to be opened anew: after every failure that does not lie in the statement.

    After some of them DuckDB refuses everything (a checkpoint that could not be written), after others
    not; opening costs little, and whatever was committed is there then.
    """
    return not isinstance(error, _OF_THE_STATEMENT)


def busy(path: Path, *, holder: str) -> BusyError:
    """The error for a file that somebody else has open."""
    return BusyError(
        f"the warehouse file {path} is held by {holder}",
        advice=(
            "A DuckDB file has one process at a time. End that process or wait for it; to query while it "
            f"runs, open the read-only copy {snapshot_path_of(path)}."
        ),
    )


def disk_full(path: Path) -> StorageError:
    """The error for a file system without room."""
    return StorageError(
        f"there is no room left for the warehouse file {path}",
        advice="Make room on its disk (or raise the quota) and start again; what was confirmed is kept.",
    )


def translate(error: duckdb.Error, path: Path) -> IngestError:
    """The error of ours for a failure that has nothing to do with the rows of a write."""
    text = str(error)
    if "Could not set lock on file" in text:
        pid = _PID.search(text)
        return busy(path, holder=f"the process {pid.group(1)}" if pid else "another process")
    if "Unique file handle conflict" in text:
        return busy(path, holder="this very process")
    if _FULL.search(text):
        return disk_full(path)
    for failure in _FAILURES:
        if isinstance(error, failure.kind) and failure.pattern.search(text):
            return StorageError(
                failure.message.format(path=path, reason=first_line(text)), advice=failure.advice
            )
    return StorageError(
        f"DuckDB refused a statement on {path}: {first_line(text)}",
        advice="If its tables were changed by hand, undo that; else report this as a bug.",
    )


def first_line(text: str) -> str:
    """The first line of a message of DuckDB, without a quoted value and of bounded length."""
    line = text.split("\n", 1)[0].split("Input: ", 1)[0].strip()
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Let the errors of DuckDB leave the block as ours."""
    try:
        yield
    except duckdb.Error as error:
        raise translate(error, path) from error
