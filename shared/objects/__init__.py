"""The objects port and its adapters, chosen by URL.

An adapter is a folder with `connect.py` (URL to adapter), `adapter.py` (the port's calls) and
`failures.py` (the store's exceptions to ours); a new one is added to `open_objects`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from shared.clock import Clock, SystemClock
from shared.google.installed import adapter_on_demand
from shared.objects.folder.connect import connect as connect_folder
from shared.objects.port import Generation, Objects, StoredObject, check_name
from shared.urls import scheme_of, unknown_scheme

__all__ = ["Generation", "Objects", "StoredObject", "check_name", "open_objects"]

_ADAPTERS: Mapping[str, Callable[..., Awaitable[Objects]]] = {
    "file": connect_folder,
    "gs": adapter_on_demand("shared.objects.gcs.connect", "gs"),
}


async def open_objects(url: str, *, clock: Clock | None = None) -> Objects:
    """Open the objects at `url`. A folder is made if there is none yet, a bucket has to be there.

    `ConfigError` for a URL that we have no adapter for, `StorageError` when the place cannot be used.
    """
    connect = _ADAPTERS.get(scheme_of(url))
    if connect is None:
        raise unknown_scheme("the objects", url, _ADAPTERS)
    return await connect(url, clock=clock or SystemClock())
