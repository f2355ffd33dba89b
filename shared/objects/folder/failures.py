"""The file system's errors, as what a person can do about them."""

from __future__ import annotations

import errno
from pathlib import Path

from shared.errors import StorageError
from shared.files import storage_error


def folder_error(root: Path, error: OSError) -> StorageError:
    """What an error of the operating system means for the objects in `root`."""
    if error.errno in (errno.ENOTDIR, errno.EISDIR, errno.EEXIST):
        return StorageError(
            f"the objects: {error.filename or root}: a file and a folder would need the same name",
            advice="Move away what is not ours in the folder; no object is named like the folder of others.",
        )
    return storage_error("the objects", Path(error.filename or root), error)
