"""Secrets as the latest versions of Secret Manager's secrets, the version before kept for a rotation."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Awaitable, Sequence
from typing import Final, TypeVar

from google.api_core import exceptions

from shared.errors import ConfigError, IngestError
from shared.secrets.port import check_name
from shared.secrets.secret import Secret
from shared.secrets.secretmanager.failures import (
    ADMIN,
    LARGEST_BYTES,
    READER,
    VERSION_MANAGER,
    not_text,
    secrets_failure,
    unfit,
)
from shared.secrets.secretmanager.versions import LABEL, Kept, Versions

log = logging.getLogger(__name__)
T = TypeVar("T")

_KEEP: Final = 2
"""Versions of a secret that are left standing: the one that counts and the one before."""


class SecretManagerSecrets:
    """See `shared.secrets.port.Secrets`.

    The secret `name` is Secret Manager's `PREFIX-name`, or `name` where the URL has no prefix. What counts is
    its latest version; one that is disabled or destroyed is none: who switches it off means it, and an older
    one may be what was to be replaced. White space around it does not count: it is never part of a token and
    often comes along when one is put there by hand.

    What this process has written it reads back at once, although `latest` may lag behind for others.
    """

    def __init__(self, versions: Versions, project: str, prefix: str) -> None:
        self._versions = versions
        self._project = project
        self._prefix = f"{prefix}-" if prefix else ""
        self._written: dict[str, int] = {}
        self._told: set[str] = set()

    async def get(self, name: str) -> Secret | None:
        """See `Secrets.get`. `StorageError` for what is not a text."""
        secret_id = self._id(name)
        kept = await self._ours(self._kept(secret_id), READER, secret_id)
        if kept is None:
            return None
        try:
            text = kept.data.decode().strip()
        except UnicodeDecodeError:
            # Without the cause, which quotes what it could not read.
            raise not_text(self._project, secret_id) from None
        return Secret(text) if text else None

    async def put(self, name: str, secret: Secret) -> None:
        """See `Secrets.put`. The version before stays, the ones before that are destroyed."""
        secret_id, text = self._id(name), secret.reveal()
        if not text.isprintable() or not text.strip():
            raise unfit(name, "is not plain text", "Paste it again, as one line.")
        data = text.encode()
        if len(data) > LARGEST_BYTES:
            raise unfit(name, f"has more than {LARGEST_BYTES:,} bytes", "Secret Manager keeps no more.")
        if await self._holds(secret_id, data):
            return
        self._written[secret_id] = await self._added(secret_id, data)
        await self._destroy_old(secret_id)

    async def delete(self, name: str) -> bool:
        """See `Secrets.delete`. All versions go."""
        secret_id = self._id(name)
        self._written.pop(secret_id, None)
        return await self._ours(self._versions.delete(secret_id), ADMIN, secret_id)

    async def names(self) -> Sequence[str]:
        """See `Secrets.names`: those with the prefix; without one, those that carry our label."""
        names = []
        key, value = LABEL
        for secret in await self._ours(self._versions.secrets(), ADMIN):
            secret_id = secret.name.rpartition("/")[2]
            if secret_id.startswith(self._prefix) and (self._prefix or secret.labels.get(key) == value):
                names.append(secret_id.removeprefix(self._prefix))
        return sorted(name for name in names if _is_name(name))

    async def close(self) -> None:
        """See `Secrets.close`."""
        await self._versions.close()

    def _id(self, name: str) -> str:
        return self._prefix + check_name(name)

    async def _kept(self, secret_id: str) -> Kept | None:
        latest = await self._readable(secret_id, None)
        written = self._written.get(secret_id, 0)
        if written <= (latest.number if latest else 0):
            return latest
        ahead = await self._readable(secret_id, written)
        if ahead is None:
            del self._written[secret_id]
        return ahead or latest

    async def _readable(self, secret_id: str, number: int | None) -> Kept | None:
        try:
            kept = await self._versions.read(secret_id, number)
        except exceptions.NotFound:
            return None
        except exceptions.FailedPrecondition:
            if secret_id not in self._told:
                log.warning("the latest version of the secret %s is disabled or destroyed", secret_id)
                self._told.add(secret_id)
            return None
        self._told.discard(secret_id)
        return kept

    async def _holds(self, secret_id: str, data: bytes) -> bool:
        """Whether the secret is this already: then another version would only push out the one before."""
        try:
            kept = await self._kept(secret_id)
        except exceptions.Forbidden:
            # Some may write secrets that they may not read.
            return False
        except Exception as error:
            raise secrets_failure(error, self._project, role=READER, secret_id=secret_id) from error
        return kept is not None and hmac.compare_digest(kept.data, data)

    async def _added(self, secret_id: str, data: bytes) -> int:
        try:
            return await self._versions.add(secret_id, data)
        except exceptions.Forbidden as error:
            # Who may not create a secret is told so; who has one made for it needs no such right.
            creating = "secrets.create" in str(error)
            role, on = (ADMIN, "") if creating else (VERSION_MANAGER, secret_id)
            raise secrets_failure(error, self._project, role=role, secret_id=on) from error
        except Exception as error:
            raise secrets_failure(error, self._project, role=VERSION_MANAGER) from error

    async def _destroy_old(self, secret_id: str) -> None:
        """What is kept is kept: that old versions stay costs little, and the next `put` tries again."""
        try:
            standing = await self._ours(self._versions.standing(secret_id), VERSION_MANAGER, secret_id)
            for version in standing[_KEEP:]:
                await self._ours(self._versions.destroy(version), VERSION_MANAGER, secret_id)
        except IngestError as error:
            log.warning("old versions of the secret %s stay: %s", secret_id, error)

    async def _ours(self, call: Awaitable[T], role: str, secret_id: str = "") -> T:
        try:
            return await call
        except Exception as error:
            raise secrets_failure(error, self._project, role=role, secret_id=secret_id) from error


def _is_name(name: str) -> bool:
    try:
        check_name(name)
    except ConfigError:
        return False
    return True
