"""The key of hashed columns: made at first use, and never replaced by accident."""

from __future__ import annotations

import secrets as randomness

from shared.catalog.hashing import ColumnHasher
from shared.clock import Clock
from shared.errors import BusyError, ConfigError
from shared.objects.lease import hold_lease
from shared.objects.port import Objects
from shared.secrets.port import Secrets
from shared.secrets.secret import Secret

KEY_SECRET = "column_hash_key"  # noqa: S105 -- the secret's name
_CHECK = "column_hash_key.check"
_LEASE = "column_hash_key.lease"
_TRIES = 20
_TRY_SECONDS = 0.5


async def open_hasher(secrets: Secrets, objects: Objects, clock: Clock) -> ColumnHasher:
    """The hasher with the key of these stores, which is made if there has never been one.

    The objects hold a check value, from which the key cannot be had: with another key the same value
    would get another pseudonym, and no row would join with those that were there. `ConfigError` when the
    key is gone or another one, or cannot be kept.
    """
    key, check = await secrets.get(KEY_SECRET), await objects.read(_CHECK)
    if key is None or check is None:
        key = await _settled(secrets, objects, clock)
        check = await objects.read(_CHECK)
    hasher = ColumnHasher(key)
    if check is None or check.data.decode(errors="replace") != _check_value(hasher):
        raise _wrong("another one than")
    return hasher


async def _settled(secrets: Secrets, objects: Objects, clock: Clock) -> Secret:
    """The key, once it and its check value are both kept; one process at a time sees to that."""
    for _ in range(_TRIES):
        try:
            async with hold_lease(objects, _LEASE, clock, what="the making of the key for hashed columns"):
                key = await secrets.get(KEY_SECRET)
                if key is None:
                    if await objects.read(_CHECK) is not None:
                        raise _wrong("not there any more, but it was")
                    key = Secret(randomness.token_hex(32))
                    await secrets.put(KEY_SECRET, key)
                await objects.compare_and_set(_CHECK, _check_value(ColumnHasher(key)).encode(), None)
                return key
        except BusyError:
            await clock.sleep(_TRY_SECONDS)
    raise BusyError("another process makes the key for hashed columns", advice="Try again in a moment.")


def _check_value(hasher: ColumnHasher) -> str:
    return hasher.pseudonym("productive-ingest column_hash_key")


def _wrong(how: str) -> ConfigError:
    return ConfigError(
        f"the key for hashed columns is {how} when the tables were filled",
        advice=f"Restore the secret `{KEY_SECRET}`. If it is lost, delete the object {_CHECK} and read all "
        "tables with hashed columns again: their old pseudonyms join with nothing any more.",
    )
