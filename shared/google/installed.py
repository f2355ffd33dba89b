"""Adapters that need packages which a laptop does without, imported when a URL asks for them."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from shared.errors import ConfigError


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
