"""From a URL to secrets: `file:///PATH`, see `shared.urls`."""

from __future__ import annotations

from shared.secrets.file.adapter import FileSecrets
from shared.urls import path_of


async def connect(url: str) -> FileSecrets:
    """The secrets in the file, which need not exist yet; `ConfigError` when the URL names no path."""
    return FileSecrets(path_of(url).absolute())
