"""The secrets port and its adapters, chosen by URL.

An adapter is a folder with `connect.py` (URL to adapter), `adapter.py` (the port's calls) and
`failures.py` (what goes wrong, as our errors); a new one is added to `open_secrets`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from shared.google.installed import adapter_on_demand
from shared.secrets.chain import ChainedSecrets
from shared.secrets.environment.connect import connect as connect_environment
from shared.secrets.file.connect import connect as connect_file
from shared.secrets.port import Secrets, check_name
from shared.secrets.secret import Secret
from shared.urls import scheme_of, unknown_scheme

__all__ = ["Secret", "Secrets", "check_name", "open_secrets"]

_ADAPTERS: Mapping[str, Callable[[str], Awaitable[Secrets]]] = {
    "env": connect_environment,
    "file": connect_file,
    "secretmanager": adapter_on_demand("shared.secrets.secretmanager.connect", "secretmanager"),
}


async def open_secrets(*urls: str) -> Secrets:
    """Open the secrets at a URL; with several URLs each is asked in order, and the last one is written to.

    `open_secrets("env:", "file:///var/lib/productive/secrets.json")` is the usual way. `ConfigError` for
    a URL that we have no adapter for.
    """
    stores: list[Secrets] = []
    for url in urls:
        connect = _ADAPTERS.get(scheme_of(url))
        if connect is None:
            raise unknown_scheme("the secrets", url, _ADAPTERS)
        stores.append(await connect(url))
    return stores[0] if len(stores) == 1 else ChainedSecrets(stores)
