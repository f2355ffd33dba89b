"""Secrets in one JSON object `{name: secret}` in a file of mode 0600, replaced as a whole."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from shared.errors import ConfigError
from shared.files import locked, make_folder, staged, sync_folder
from shared.secrets.file.failures import file_error, malformed, too_open
from shared.secrets.port import check_name
from shared.secrets.secret import Secret

T = TypeVar("T")

_LARGEST_BYTES = 1_000_000


class FileSecrets:
    """See `shared.secrets.port.Secrets`. `StorageError` when others than the owner may read the file.

    The file is read at each call, so that a secret changed by hand or by another process counts at once.
    It is made by the first `put`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    async def get(self, name: str) -> Secret | None:
        """See `Secrets.get`."""
        check_name(name)
        value = (await self._run(self._load)).get(name)
        return None if value is None else Secret(value)

    async def put(self, name: str, secret: Secret) -> None:
        """See `Secrets.put`."""
        check_name(name)
        if not secret.reveal().isprintable():
            # Half of a surrogate pair would make the whole file unreadable, and no token has a line break.
            raise ConfigError(f"the secret `{name}` is not plain text", advice="Paste it again, as one line.")

        def change(secrets: dict[str, str]) -> None:
            secrets[name] = secret.reveal()

        await self._run(lambda: self._change(change))

    async def delete(self, name: str) -> bool:
        """See `Secrets.delete`."""
        check_name(name)
        return await self._run(lambda: self._change(lambda secrets: secrets.pop(name, None) is not None))

    async def names(self) -> Sequence[str]:
        """See `Secrets.names`."""
        return sorted(await self._run(self._load))

    async def close(self) -> None:
        """Nothing to let go of."""

    async def _run(self, call: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(call)
        except OSError as error:
            raise file_error(self._path, error) from error

    def _load(self) -> dict[str, str]:
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return {}
        with os.fdopen(descriptor, "rb") as file:
            mode = os.fstat(descriptor).st_mode
            if stat.S_IMODE(mode) & (stat.S_IRWXG | stat.S_IRWXO):
                raise too_open(self._path, mode)
            data = file.read(_LARGEST_BYTES + 1)
        try:
            if len(data) > _LARGEST_BYTES:
                raise malformed(self._path)
            return msgspec.json.decode(data, type=dict[str, str])
        except (msgspec.DecodeError, UnicodeDecodeError):
            # Without the cause, which may quote what it could not read.
            raise malformed(self._path) from None

    def _change(self, change: Callable[[dict[str, str]], T]) -> T:
        # A link to the file stays a link.
        path = Path(os.path.realpath(self._path))
        make_folder(path.parent)
        with locked(path.with_name(f".{path.name}.lock")):
            secrets = self._load()
            before = dict(secrets)
            outcome = change(secrets)
            if secrets != before:
                with staged(
                    path, json.dumps(secrets, indent=2, sort_keys=True).encode() + b"\n"
                ) as temporary:
                    temporary.replace(path)
                sync_folder(path.parent)
        return outcome
