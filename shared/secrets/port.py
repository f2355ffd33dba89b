"""Secrets: named texts that must not be seen, such as the API token and the webhooks' signature tokens."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

from shared.errors import ConfigError
from shared.secrets.secret import Secret

_NAME = re.compile(r"[a-z][a-z0-9_]{0,126}")


class Secrets(Protocol):
    """A few secrets by name. Names are lower-case letters, digits and `_`, and begin with a letter.

    Calls may be made concurrently and do not block the event loop. Each raises `ConfigError` for a bad
    name, `StorageError` when the store cannot be used and `UnreachableError` when it does not answer;
    none of these holds a secret.
    """

    async def get(self, name: str) -> Secret | None:
        """The secret as it is now (it may be changed by others), or None when there is none."""
        ...

    async def put(self, name: str, secret: Secret) -> None:
        """Keep a secret, durably, in place of the one before; `ConfigError` where secrets are only read."""
        ...

    async def delete(self, name: str) -> bool:
        """Forget a secret; False when there was none; `ConfigError` where secrets are only read."""
        ...

    async def names(self) -> Sequence[str]:
        """The names of the secrets that there are, sorted."""
        ...

    async def close(self) -> None:
        """Let go of files and connections."""
        ...


def check_name(name: str) -> str:
    """The name itself when it is a good one, else `ConfigError`."""
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"not a name for a secret: {name[:64]!r}",
            advice="Names are lower-case letters, digits and `_`, begin with a letter, and are not long.",
        )
    return name
