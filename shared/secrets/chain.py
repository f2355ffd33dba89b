"""Several stores of secrets as one: the environment over a file."""

from __future__ import annotations

from collections.abc import Sequence

from shared.errors import ConfigError
from shared.secrets.port import Secrets
from shared.secrets.secret import Secret


class ChainedSecrets:
    """See `shared.secrets.port.Secrets`. Asks the stores in order and writes to the last.

    What an earlier store has cannot be written or deleted: it would hide the change.
    """

    def __init__(self, stores: Sequence[Secrets]) -> None:
        if not stores:
            raise ConfigError("no place for secrets is set", advice="Name one, for instance `env:`.")
        self._stores = tuple(stores)
        self._last = stores[-1]

    async def get(self, name: str) -> Secret | None:
        """See `Secrets.get`."""
        for store in self._stores:
            secret = await store.get(name)
            if secret is not None:
                return secret
        return None

    async def put(self, name: str, secret: Secret) -> None:
        """See `Secrets.put`."""
        await self._refuse_hidden(name)
        await self._last.put(name, secret)

    async def delete(self, name: str) -> bool:
        """See `Secrets.delete`."""
        await self._refuse_hidden(name)
        return await self._last.delete(name)

    async def names(self) -> Sequence[str]:
        """See `Secrets.names`."""
        return sorted({name for store in self._stores for name in await store.names()})

    async def close(self) -> None:
        """See `Secrets.close`."""
        for store in self._stores:
            await store.close()

    async def _refuse_hidden(self, name: str) -> None:
        for store in self._stores[:-1]:
            if await store.get(name) is not None:
                raise ConfigError(
                    f"the secret `{name}` is set in a place that comes first, which would hide the change",
                    advice=f"Change it there, or unset it (in the environment: {name.upper()}).",
                )
