"""Secrets from environment variables: `productive_api_token` is `PRODUCTIVE_API_TOKEN`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from shared.secrets.environment.failures import read_only
from shared.secrets.port import check_name
from shared.secrets.secret import Secret

_OURS = re.compile(r"PRODUCTIVE_([A-Z0-9_]+_)?(TOKEN|SECRET)(_[A-Z0-9_]+)?")
"""The variables that `names` tells: others of an environment are nobody's business."""


class EnvironmentSecrets:
    """See `shared.secrets.port.Secrets`. A secret's variable is its name in upper case.

    A variable that is empty counts as not set, as template files leave it. White space around a value
    is dropped: it is never part of a token and often comes along when one is pasted.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables

    async def get(self, name: str) -> Secret | None:
        """See `Secrets.get`."""
        value = self._variables.get(check_name(name).upper(), "").strip()
        return Secret(value) if value else None

    async def put(self, name: str, secret: Secret) -> None:  # noqa: ARG002
        """Always a `ConfigError`."""
        raise read_only(check_name(name).upper())

    async def delete(self, name: str) -> bool:
        """Always a `ConfigError`."""
        raise read_only(check_name(name).upper())

    async def names(self) -> Sequence[str]:
        """The secrets whose variables begin with `PRODUCTIVE_` and hold the word TOKEN or SECRET."""
        return sorted(
            name.lower() for name, value in self._variables.items() if value.strip() and _OURS.fullmatch(name)
        )

    async def close(self) -> None:
        """Nothing to let go of."""
