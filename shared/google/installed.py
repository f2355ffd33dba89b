"""Adapters that need packages which a laptop does without, imported when a URL asks for them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from importlib import import_module
from types import ModuleType
from typing import Any

from shared.errors import ConfigError


def adapter_on_demand(module: str, scheme: str) -> Callable[..., Coroutine[Any, Any, Any]]:
    """An adapter's `connect` that imports its module only when it is called; raises as `import_adapter`."""

    async def connect(*args: Any, **kwargs: Any) -> Any:
        return await import_adapter(module, scheme).connect(*args, **kwargs)

    return connect


def import_adapter(module: str, scheme: str) -> ModuleType:
    """Import an adapter's module; `ConfigError` with the remedy when Google's clients are missing."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "shared":
            raise
        raise ConfigError(
            f"`{scheme}:` needs the package `{error.name}`, which is not installed",
            advice="Install it: `pip install 'productive-ingest[cloud]'`, or in a checkout `make cloud`.",
        ) from None
