"""What should be: the address and the events that were registered last, kept in the objects."""

from __future__ import annotations

import msgspec

from services.ingest.webhooks.address import PublicAddress
from shared.errors import ConfigError, StorageError
from shared.objects.port import Objects


class Registration(msgspec.Struct, frozen=True):
    """The public address (`PublicAddress.base`) and the ids of the events registered there."""

    base: str
    events: tuple[int, ...]

    @property
    def address(self) -> PublicAddress:
        """The address as it was checked."""
        return PublicAddress(self.base)


class RegistrationStore:
    """Reads and writes the registration of one organization."""

    def __init__(self, objects: Objects, organization_id: str) -> None:
        self._objects = objects
        self._name = f"organizations/{organization_id}/webhooks.json"

    async def read(self) -> Registration | None:
        """What was registered last; None when nothing is. `StorageError` when it cannot be understood."""
        stored = await self._objects.read(self._name)
        if stored is None:
            return None
        try:
            return msgspec.json.decode(stored.data, type=Registration)
        except msgspec.MsgspecError:
            raise StorageError(
                f"the object {self._name} does not say what is registered",
                advice="Delete it, then run `productive-ingest webhooks register --url URL` again.",
            ) from None

    async def required(self) -> Registration:
        """As `read`; `ConfigError` when nothing is registered."""
        registration = await self.read()
        if registration is None:
            raise ConfigError(
                "no webhooks have been registered from here",
                advice="`productive-ingest webhooks register --url https://hooks.example.com` does that.",
            )
        return registration

    async def write(self, registration: Registration) -> None:
        """Replace what is registered."""
        await self._objects.write(self._name, msgspec.json.encode(registration))

    async def forget(self) -> None:
        """Nothing is registered any more."""
        await self._objects.delete(self._name)
