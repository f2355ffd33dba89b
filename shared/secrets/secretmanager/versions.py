"""One project's secrets and their versions: Secret Manager's calls, each one tried until it succeeds.

Facts, all from its documentation unless said otherwise: a version never changes; `latest` is the newest
version in whatever state, and reading it while it is disabled or destroyed is refused with
FAILED_PRECONDITION; a version is found by its number as soon as it is added, `latest` may lag behind.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple, TypeVar

import google_crc32c
from google.api_core import exceptions
from google.cloud.secretmanager_v1 import SecretManagerServiceAsyncClient
from google.cloud.secretmanager_v1.types import (
    AccessSecretVersionRequest,
    AddSecretVersionRequest,
    CreateSecretRequest,
    DeleteSecretRequest,
    DestroySecretVersionRequest,
    ListSecretsRequest,
    ListSecretVersionsRequest,
    Replication,
    Secret,
    SecretPayload,
    SecretVersion,
)

from shared.clock import Clock
from shared.google.retrying import Patience, retrying

T = TypeVar("T")

LABEL: Final = ("managed-by", "productive-ingest")
"""What our own secrets are labelled with, for people and to find them again."""

_PAGE: Final = 1_000
_PATIENCE: Final = Patience(attempts=5, attempt=10.0, total=30.0)


class Kept(NamedTuple):
    """What a version holds, and its number, which grows with each version."""

    number: int
    data: bytes


class Versions:
    """Raises `google.api_core.exceptions`, transient ones after trying again."""

    def __init__(
        self,
        client: SecretManagerServiceAsyncClient,
        project: str,
        *,
        clock: Clock,
        patience: Patience = _PATIENCE,
    ) -> None:
        self._client = client
        self._project = f"projects/{project}"
        self._clock = clock
        self._patience = patience

    async def read(self, secret_id: str, number: int | None = None) -> Kept:
        """The latest version, or the one with that number.

        `NotFound` when there is none, `FailedPrecondition` when it is disabled or destroyed. What does not
        match its CRC32C is asked for again.
        """
        name = f"{self._secret(secret_id)}/versions/{number or 'latest'}"

        async def attempt(_: int) -> Kept:
            answer = await self._client.access_secret_version(
                AccessSecretVersionRequest(name=name), retry=None, timeout=self._patience.attempt
            )
            data = answer.payload.data
            if "data_crc32c" in answer.payload and answer.payload.data_crc32c != google_crc32c.value(data):
                raise exceptions.DataLoss("a secret came damaged")
            return Kept(_number(answer.name), data)

        return await self._retrying(attempt)

    async def add(self, secret_id: str, data: bytes) -> int:
        """Add a version, and the secret if there is none; the version's number.

        A try that failed may have added it: then the latest version holds the same, and another one would
        push out the version before.
        """
        payload = SecretPayload(data=data, data_crc32c=google_crc32c.value(data))
        request = AddSecretVersionRequest(parent=self._secret(secret_id), payload=payload)

        async def attempt(failures: int) -> int:
            if failures:
                there = await self._latest(secret_id)
                if there is not None and there.data == data:
                    return there.number
            try:
                return await added()
            except exceptions.NotFound:
                await self._create(secret_id)
            try:
                return await added()
            except exceptions.NotFound as error:
                raise exceptions.Aborted("the new secret is not known everywhere yet") from error

        async def added() -> int:
            version = await self._client.add_secret_version(
                request, retry=None, timeout=self._patience.attempt
            )
            return _number(version.name)

        return await self._retrying(attempt)

    async def standing(self, secret_id: str) -> Sequence[SecretVersion]:
        """The versions that are not destroyed, newest first."""
        found: list[SecretVersion] = []
        after = ""
        while True:
            request = ListSecretVersionsRequest(
                parent=self._secret(secret_id), page_size=_PAGE, page_token=after
            )
            page = await self._once(self._client.list_secret_versions, request)
            found += (one for one in page.versions if one.state != SecretVersion.State.DESTROYED)
            after = page.next_page_token
            if not after:
                return sorted(found, key=lambda one: -_number(one.name))

    async def destroy(self, version: SecretVersion) -> None:
        """Destroy a version as it was seen, for good; nothing when somebody else was quicker."""
        request = DestroySecretVersionRequest(name=version.name, etag=version.etag)
        try:
            await self._once(self._client.destroy_secret_version, request)
        except (exceptions.NotFound, exceptions.FailedPrecondition):
            return

    async def delete(self, secret_id: str) -> bool:
        """Delete a secret with all its versions; False when there was none."""

        async def attempt(failures: int) -> bool:
            try:
                await self._client.delete_secret(
                    DeleteSecretRequest(name=self._secret(secret_id)),
                    retry=None,
                    timeout=self._patience.attempt,
                )
            except exceptions.NotFound:
                return failures > 0
            return True

        return await self._retrying(attempt)

    async def secrets(self) -> Sequence[Secret]:
        """All secrets of the project, without what they hold."""
        found: list[Secret] = []
        after = ""
        while True:
            request = ListSecretsRequest(parent=self._project, page_size=_PAGE, page_token=after)
            page = await self._once(self._client.list_secrets, request)
            found += page.secrets
            after = page.next_page_token
            if not after:
                return found

    async def close(self) -> None:
        """Let go of the connection."""
        await self._client.transport.close()

    async def _latest(self, secret_id: str) -> Kept | None:
        try:
            return await self.read(secret_id)
        except (exceptions.NotFound, exceptions.FailedPrecondition):
            return None

    async def _create(self, secret_id: str) -> None:
        key, value = LABEL
        secret = Secret(replication=Replication(automatic=Replication.Automatic()), labels={key: value})
        request = CreateSecretRequest(parent=self._project, secret_id=secret_id, secret=secret)
        try:
            await self._client.create_secret(request, retry=None, timeout=self._patience.attempt)
        except exceptions.AlreadyExists:
            return

    async def _once(self, call: Callable[..., Awaitable[T]], request: object) -> T:
        async def attempt(_: int) -> T:
            return await call(request, retry=None, timeout=self._patience.attempt)

        return await self._retrying(attempt)

    async def _retrying(self, attempt: Callable[[int], Awaitable[T]]) -> T:
        return await retrying(attempt, clock=self._clock, patience=self._patience)

    def _secret(self, secret_id: str) -> str:
        return f"{self._project}/secrets/{secret_id}"


def _number(name: str) -> int:
    """The number at the end of a version's name."""
    return int(name.rpartition("/")[2])
