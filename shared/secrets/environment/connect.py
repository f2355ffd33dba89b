"""From a URL to secrets: `env:`."""

from __future__ import annotations

import os

from shared.errors import ConfigError
from shared.secrets.environment.adapter import EnvironmentSecrets


async def connect(url: str) -> EnvironmentSecrets:
    """The secrets in this process's environment; `ConfigError` when the URL says more than `env:`."""
    if url.lower() != "env:":
        raise ConfigError("the secrets: nothing may follow `env:`", advice="Write just `env:`.")
    return EnvironmentSecrets(os.environ)
