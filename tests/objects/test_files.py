from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from shared.errors import StorageError
from shared.files import locked, make_folder, staged, storage_error


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EDQUOT, "quota"),
        (errno.EFBIG, "larger than allowed"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "permission"),
        (errno.ENOTDIR, "a file is where a folder"),
        (errno.EMFILE, "open files"),
        (errno.EIO, "disk failed"),
        (errno.ENXIO, os.strerror(errno.ENXIO)),
    ],
)
def test_an_error_of_the_operating_system_says_what_to_do(code: int, meaning: str) -> None:
    error = storage_error("the objects", Path("/data/x"), OSError(code, os.strerror(code)))
    assert error.message.startswith("the objects: /data/x: ")
    assert meaning in error.message
    assert error.advice


def test_a_lock_that_is_held_is_waited_for_and_then_told(tmp_path: Path) -> None:
    lock = tmp_path / ".lock"
    with locked(lock), pytest.raises(StorageError) as caught, locked(lock, patience_seconds=0.01):
        pass
    assert f"fuser {lock}" in caught.value.advice
    with locked(lock, patience_seconds=0):
        pass


def test_a_staged_file_that_is_not_moved_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "state"
    with staged(path, b"new") as temporary:
        assert temporary.read_bytes() == b"new"
        assert not path.exists()
    assert list(tmp_path.iterdir()) == []


def test_folders_are_made_down_to_the_last(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b" / "c")
    make_folder(tmp_path / "a" / "b" / "c")
    assert (tmp_path / "a" / "b" / "c").is_dir()
