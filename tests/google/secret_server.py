"""A stand-in for Secret Manager over gRPC, in this process."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import google_crc32c
import grpc
import grpc.aio
from google.cloud.secretmanager_v1 import types
from google.protobuf import empty_pb2

_PAGE = 2
"""Small, so that whoever reads only the first page is found out."""

State = types.SecretVersion.State
Context = Any


@dataclass
class Trouble:
    """How the next call ends: with this answer, before or after it is carried out; or with a damaged one."""

    code: grpc.StatusCode | None = grpc.StatusCode.UNAVAILABLE
    message: str = "the service is currently unavailable"
    after: bool = False


DAMAGED = Trouble(code=None)


@dataclass
class Version:
    """One version; `data` is gone once it is destroyed."""

    data: bytes
    state: int = State.ENABLED
    changes: int = 0


@dataclass
class SecretServer:
    """Holds secrets by their full names; `latest_lags` makes `latest` one version older than it is."""

    secrets: dict[str, list[Version]] = field(default_factory=dict)
    labels: dict[str, dict[str, str]] = field(default_factory=dict)
    replicated: dict[str, types.Replication] = field(default_factory=dict)
    coming: deque[Trouble | None] = field(default_factory=deque)
    calls: list[str] = field(default_factory=list)
    latest_lags: bool = False
    may_not: set[str] = field(default_factory=set)

    def add(
        self,
        name: str,
        *contents: bytes,
        state: int = State.ENABLED,
        labels: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """A secret that somebody else has made, with its versions in this state."""
        self.secrets.setdefault(name, []).extend(Version(data, state) for data in contents)
        self.labels.setdefault(name, {}).update(labels)

    def states(self, name: str) -> list[str]:
        """The states of a secret's versions, oldest first."""
        return [State(version.state).name for version in self.secrets[name]]

    async def create_secret(self, request: types.CreateSecretRequest, context: Context) -> types.Secret:
        name = f"{request.parent}/secrets/{request.secret_id}"
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,255}", request.secret_id):
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"{request.secret_id!r} is not a valid id")
        if name in self.secrets:
            await context.abort(grpc.StatusCode.ALREADY_EXISTS, f"Secret [{name}] already exists.")
        if "replication" not in request.secret:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "replication is required")
        self.secrets[name] = []
        self.labels[name] = dict(request.secret.labels)
        self.replicated[name] = request.secret.replication
        return types.Secret(name=name, labels=request.secret.labels)

    async def add_secret_version(
        self, request: types.AddSecretVersionRequest, context: Context
    ) -> types.SecretVersion:
        versions = await self._secret(request.parent, context)
        data = request.payload.data
        if not data or len(data) > 65_536:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "Field [payload] is required or too large")
        if "data_crc32c" in request.payload and request.payload.data_crc32c != google_crc32c.value(data):
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "checksum mismatch")
        versions.append(Version(data))
        return self._version(request.parent, len(versions))

    async def access_secret_version(
        self, request: types.AccessSecretVersionRequest, context: Context
    ) -> types.AccessSecretVersionResponse:
        name, _, number = request.name.rpartition("/versions/")
        versions = await self._secret(name, context)
        at = len(versions) - self.latest_lags if number == "latest" else int(number)
        if not 1 <= at <= len(versions):
            await context.abort(grpc.StatusCode.NOT_FOUND, f"Secret [{name}] not found or has no versions.")
        version = versions[at - 1]
        if version.state != State.ENABLED:
            await context.abort(
                grpc.StatusCode.FAILED_PRECONDITION,
                f"Secret Version [{name}/versions/{at}] is in {State(version.state).name} state.",
            )
        payload = types.SecretPayload(data=version.data, data_crc32c=google_crc32c.value(version.data))
        return types.AccessSecretVersionResponse(name=f"{name}/versions/{at}", payload=payload)

    async def list_secret_versions(
        self, request: types.ListSecretVersionsRequest, context: Context
    ) -> types.ListSecretVersionsResponse:
        versions = await self._secret(request.parent, context)
        found = [self._version(request.parent, number + 1) for number in range(len(versions))][::-1]
        start = int(request.page_token or 0)
        more = str(start + _PAGE) if start + _PAGE < len(found) else ""
        return types.ListSecretVersionsResponse(
            versions=found[start : start + _PAGE], next_page_token=more, total_size=len(found)
        )

    async def destroy_secret_version(
        self, request: types.DestroySecretVersionRequest, context: Context
    ) -> types.SecretVersion:
        name, _, number = request.name.rpartition("/versions/")
        version = (await self._secret(name, context))[int(number) - 1]
        if version.state == State.DESTROYED or request.etag not in ("", self._etag(version)):
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"[{request.name}] has changed")
        version.state, version.data = State.DESTROYED, b""
        version.changes += 1
        return self._version(name, int(number))

    async def delete_secret(self, request: types.DeleteSecretRequest, context: Context) -> empty_pb2.Empty:
        await self._secret(request.name, context)
        del self.secrets[request.name], self.labels[request.name]
        return empty_pb2.Empty()

    async def list_secrets(
        self, request: types.ListSecretsRequest, context: Context
    ) -> types.ListSecretsResponse:
        found = [
            types.Secret(name=name, labels=self.labels[name])
            for name in self.secrets
            if name.startswith(f"{request.parent}/")
        ]
        start = int(request.page_token or 0)
        more = str(start + _PAGE) if start + _PAGE < len(found) else ""
        return types.ListSecretsResponse(secrets=found[start : start + _PAGE], next_page_token=more)

    async def _secret(self, name: str, context: Context) -> list[Version]:
        if name not in self.secrets:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"Secret [{name}] not found.")
        return self.secrets[name]

    def _version(self, secret: str, number: int) -> types.SecretVersion:
        version = self.secrets[secret][number - 1]
        return types.SecretVersion(
            name=f"{secret}/versions/{number}", state=version.state, etag=self._etag(version)
        )

    @staticmethod
    def _etag(version: Version) -> str:
        return f'"{version.changes}"'

    def handler(self, method: str, request_type: Any) -> grpc.RpcMethodHandler[Any, Any]:
        """The gRPC handler of a method such as `AddSecretVersion`."""
        snake = re.sub(r"(?<!^)(?=[A-Z])", "_", method).lower()
        carry_out: Callable[[Any, Context], Awaitable[Any]] = getattr(self, snake)

        async def handle(raw: Any, context: Context) -> Any:
            self.calls.append(method)
            if method in self.may_not:
                await context.abort(
                    grpc.StatusCode.PERMISSION_DENIED,
                    f"Permission 'secretmanager.{_PERMISSIONS[method]}' denied for resource (or it may not "
                    "exist).",
                )
            trouble = self.coming.popleft() if self.coming else None
            if trouble and trouble.code and not trouble.after:
                await context.abort(trouble.code, trouble.message)
            answer = await carry_out(request_type.wrap(raw), context)
            if trouble and trouble.code:
                await context.abort(trouble.code, trouble.message)
            if trouble and isinstance(answer, types.AccessSecretVersionResponse):
                answer.payload.data += b"!"
            return answer if isinstance(answer, empty_pb2.Empty) else type(answer).pb(answer)

        return grpc.unary_unary_rpc_method_handler(
            handle, request_type.pb().FromString, lambda message: message.SerializeToString()
        )


_METHODS = {
    "CreateSecret": types.CreateSecretRequest,
    "AddSecretVersion": types.AddSecretVersionRequest,
    "AccessSecretVersion": types.AccessSecretVersionRequest,
    "ListSecretVersions": types.ListSecretVersionsRequest,
    "DestroySecretVersion": types.DestroySecretVersionRequest,
    "DeleteSecret": types.DeleteSecretRequest,
    "ListSecrets": types.ListSecretsRequest,
}


_PERMISSIONS = {
    "CreateSecret": "secrets.create",
    "AddSecretVersion": "versions.add",
    "AccessSecretVersion": "versions.access",
    "ListSecretVersions": "versions.list",
    "DestroySecretVersion": "versions.destroy",
    "DeleteSecret": "secrets.delete",
    "ListSecrets": "secrets.list",
}


@asynccontextmanager
async def secret_server() -> AsyncIterator[tuple[SecretServer, str]]:
    """The stand-in and its `host:port`, until the body ends."""
    secrets = SecretServer()
    server = grpc.aio.server()
    handlers = {method: secrets.handler(method, request) for method, request in _METHODS.items()}
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler("google.cloud.secretmanager.v1.SecretManagerService", handlers)]
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield secrets, f"127.0.0.1:{port}"
    finally:
        await server.stop(None)
