"""From a URL to objects: `file:///PATH`, see `shared.urls`."""

from __future__ import annotations

from shared.clock import Clock
from shared.objects.folder.adapter import FolderObjects
from shared.urls import path_of


async def connect(url: str, *, clock: Clock) -> FolderObjects:
    """Open the folder, or make it (0700); `ConfigError` or `StorageError` when that fails."""
    objects = FolderObjects(path_of(url).absolute(), clock=clock)
    try:
        await objects.open()
    except BaseException:
        await objects.close()
        raise
    return objects
