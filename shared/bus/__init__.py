"""The bus port and its adapters, chosen by URL.

An adapter is a folder with `connect.py` (URL to adapter), `adapter.py` (the port's calls) and
`failures.py` (the store's exceptions to ours); a new one is added to `open_bus`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from shared.bus.limits import MAX_MESSAGE_BYTES, BusSettings
from shared.bus.port import Backlog, Bus, DeadLetter, Delivery, Judge, Message, Swept
from shared.bus.sqlite.connect import connect as connect_sqlite
from shared.clock import Clock, SystemClock
from shared.google.installed import adapter_on_demand
from shared.urls import scheme_of, unknown_scheme

__all__ = [
    "MAX_MESSAGE_BYTES",
    "Backlog",
    "Bus",
    "BusSettings",
    "DeadLetter",
    "Delivery",
    "Judge",
    "Message",
    "Swept",
    "open_bus",
]

_ADAPTERS: Mapping[str, Callable[..., Awaitable[Bus]]] = {
    "sqlite": connect_sqlite,
    "pubsub": adapter_on_demand("shared.bus.pubsub.connect", "pubsub"),
}


async def open_bus(url: str, *, clock: Clock | None = None, settings: BusSettings | None = None) -> Bus:
    """Open the bus at `url`, making it if there is none yet.

    `ConfigError` for a URL that names no bus we have an adapter for, `StorageError` when it cannot be used.
    """
    connect = _ADAPTERS.get(scheme_of(url))
    if connect is None:
        raise unknown_scheme("the bus", url, _ADAPTERS)
    return await connect(url, clock=clock or SystemClock(), settings=settings or BusSettings())
