"""From a URL to a bus: `sqlite:///PATH`, see `shared.urls`."""

from __future__ import annotations

from shared.bus.limits import BusSettings
from shared.bus.sqlite.adapter import SqliteBus
from shared.bus.sqlite.committer import Committer
from shared.clock import Clock
from shared.urls import path_of


async def connect(url: str, *, clock: Clock, settings: BusSettings) -> SqliteBus:
    """Open the file, or make it (0600, and its folders); `ConfigError` or `StorageError` when that fails."""
    committer = Committer(path_of(url).absolute())
    await committer.open()
    return SqliteBus(committer, clock=clock, settings=settings)
