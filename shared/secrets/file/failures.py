"""What can be wrong with a file of secrets; no error shows what is in it."""

from __future__ import annotations

import stat
from pathlib import Path

from shared.errors import StorageError
from shared.files import storage_error


def file_error(path: Path, error: OSError) -> StorageError:
    """What an error of the operating system means for the file."""
    return storage_error("the secrets", path, error)


def too_open(path: Path, mode: int) -> StorageError:
    """Others than the owner may use the file."""
    return StorageError(
        f"the secrets: others may use {path} (its mode is {stat.S_IMODE(mode):04o})",
        advice=f"Run `chmod 600 {path}`, and consider whether others have read what is in it.",
    )


def malformed(path: Path) -> StorageError:
    """The file is not an object of texts."""
    return StorageError(
        f"the secrets: {path} is not a JSON object of names and texts",
        advice='Repair it; it looks like this: {"productive_api_token": "..."}.',
    )
