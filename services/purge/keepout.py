"""The list of records that must not come back, kept so that it tells nobody whom it is about.

An id is a number, so a plain hash of it would be guessed in no time. What is kept is its HMAC-SHA256, with a
key that lies among the secrets: the list and its copies in backups are worth nothing without the key.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets as randomness
from collections.abc import Collection, Mapping
from typing import Final

import msgspec

from shared.clock import Clock
from shared.errors import BusyError, ConfigError
from shared.objects.port import Generation, Objects
from shared.secrets import Secret, Secrets

KEY_SECRET: Final = "keep_out_key"  # noqa: S105 -- the secret's name
OBJECT: Final = "keep-out.json"
"""The list's name, below its organization."""

_ORGANIZATIONS: Final = "organizations/"
_LOOK_EVERY_SECONDS: Final = 1.0
_DIGITS: Final = 40
_PROOF: Final = "this is the key"
_TRIES: Final = 20


class _Stored(msgspec.Struct, frozen=True):
    """`proof` shows whether a key is the one that the hashes were made with."""

    proof: str
    tables: dict[str, list[str]]
    schema: int = 1


class KeepOutList:
    """One organization's list. It is the `KeepOut` of the writer, and what `purge` adds to.

    Calls raise `ConfigError` when the key is missing or another one, or the list was made by a later version,
    `StorageError` and `UnreachableError` as the stores do.
    """

    def __init__(self, objects: Objects, secrets: Secrets, organization_id: str | None, clock: Clock) -> None:
        """With no organization it is the one that the objects belong to: a writer needs not be told."""
        self._objects = objects
        self._secrets = secrets
        self._name = f"organizations/{organization_id}/{OBJECT}" if organization_id else ""
        self._clock = clock
        self._key = b""
        self._hashes: Mapping[str, frozenset[str]] = {}
        self._generation: Generation | None = None
        self._looked: float | None = None

    async def refresh(self) -> None:
        """See `KeepOut.refresh`. What another process adds is seen within a second."""
        now = self._clock.monotonic()
        if self._looked is None or now - self._looked >= _LOOK_EVERY_SECONDS:
            await self._load()
            self._looked = now

    def holds(self, table: str, record_id: str, /) -> bool:
        """See `KeepOut.holds`."""
        hashes = self._hashes.get(table)
        return hashes is not None and self._hash(table, record_id) in hashes

    async def counts(self) -> Mapping[str, int]:
        """How many records of which tables are kept out, as of now."""
        stored = await self._load()
        return {table: len(hashes) for table, hashes in stored.tables.items()} if stored else {}

    async def add(self, rows: Mapping[str, Collection[str]]) -> int:
        """Keep records out; returns how many were not on the list before. Makes the key if there is none."""
        added = 0
        for _ in range(_TRIES):
            stored = await self._load()
            if stored is None:
                await self._make_key()
            tables = {table: set(hashes) for table, hashes in stored.tables.items()} if stored else {}
            before = sum(map(len, tables.values()))
            for table, ids in rows.items():
                tables.setdefault(table, set()).update(self._hash(table, id_) for id_ in ids)
            added = sum(map(len, tables.values())) - before
            if not added or await self._save(tables):
                return added
        raise _crowded()

    async def forget(self, rows: Mapping[str, Collection[str]] | None = None) -> int:
        """Let records come back, all of them when None; returns how many were on the list."""
        for _ in range(_TRIES):
            stored = await self._load()
            if stored is None:
                return 0
            tables = {table: set(hashes) for table, hashes in stored.tables.items()}
            before = sum(map(len, tables.values()))
            if rows is None:
                tables = {}
            else:
                for table, ids in rows.items():
                    tables.get(table, set()).difference_update(self._hash(table, id_) for id_ in ids)
            forgotten = before - sum(map(len, tables.values()))
            if not forgotten or await self._save(tables):
                return forgotten
        raise _crowded()

    async def _load(self) -> _Stored | None:
        if not self._name:
            names = await self._objects.list(_ORGANIZATIONS)
            owners = {name.split("/")[1] for name in names}
            if len(owners) == 1:
                # Not asked for again, even if it has no list: in a bucket that costs as much as a write.
                self._name = f"{_ORGANIZATIONS}{owners.pop()}/{OBJECT}"
            else:
                self._name = next((name for name in names if name.endswith(f"/{OBJECT}")), "")
        found = await self._objects.read(self._name) if self._name else None
        if found is None:
            self._hashes, self._generation = {}, None
            return None
        try:
            stored = msgspec.json.decode(found.data, type=_Stored)
        except msgspec.MsgspecError as error:
            raise ConfigError(
                f"the keep-out list {self._name} cannot be read: {error}",
                advice="Restore it from a backup; without it nobody knows what must not be written.",
            ) from None
        if stored.schema != 1:
            raise ConfigError(
                f"the keep-out list {self._name} was made by a later version", advice="Upgrade this one."
            )
        if found.generation != self._generation:
            await self._take_key(stored)
            self._hashes = {table: frozenset(hashes) for table, hashes in stored.tables.items() if hashes}
            self._generation = found.generation
        return stored

    async def _take_key(self, stored: _Stored) -> None:
        key = await self._secrets.get(KEY_SECRET)
        if key is not None:
            self._key = key.reveal().encode()
        if key is None or not hmac.compare_digest(self._proof(), stored.proof):
            what = "missing" if key is None else "another one than it was made with"
            raise ConfigError(
                f"there is a list of records to keep out, but its key ({KEY_SECRET}) is {what}",
                advice="Bring the secret back, or delete the list "
                f"({self._name}): then what was kept out comes back with the next crawl.",
            )

    async def _make_key(self) -> None:
        key = await self._secrets.get(KEY_SECRET)
        if key is None:
            key = Secret(randomness.token_hex(32))
            await self._secrets.put(KEY_SECRET, key)
        self._key = key.reveal().encode()

    async def _save(self, tables: Mapping[str, Collection[str]]) -> bool:
        """False when somebody else has changed the list meanwhile."""
        kept = {table: sorted(hashes) for table, hashes in sorted(tables.items()) if hashes}
        data = msgspec.json.encode(_Stored(self._proof(), kept))
        if await self._objects.compare_and_set(self._name, data, self._generation) is None:
            return False
        await self._load()
        return True

    def _proof(self) -> str:
        return self._hash("", _PROOF)

    def _hash(self, table: str, record_id: str) -> str:
        named = f"{table}\0{record_id}".encode(errors="surrogatepass")
        return hmac.digest(self._key, named, hashlib.sha256).hex()[:_DIGITS]


def _crowded() -> BusyError:
    return BusyError("others keep changing the list of records to keep out", advice="Try it again.")
