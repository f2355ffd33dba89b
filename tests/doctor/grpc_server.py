"""Services of Google's over gRPC that answer as they are told to, as Google documents: also with refusals."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
from google.iam.v1 import iam_policy_pb2, policy_pb2  # type: ignore[import-untyped]
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2


@dataclass(frozen=True)
class Refusal:
    """An error as Google sends it; `reason` is that of an ErrorInfo."""

    code: grpc.StatusCode
    message: str
    reason: str = ""


def switched_off(api: str) -> Refusal:
    """What a project answers whose API was never switched on."""
    text = (
        f"{api} has not been used in project 123 before or it is disabled. Enable it by visiting "
        f"https://console.developers.google.com/apis/api/{api}/overview?project=123 then retry."
    )
    return Refusal(grpc.StatusCode.PERMISSION_DENIED, text, "SERVICE_DISABLED")


def denied(permission: str) -> Refusal:
    """What an account without a permission gets, whether or not there is such a thing."""
    text = f"Permission '{permission}' denied on resource (or it may not exist)."
    return Refusal(grpc.StatusCode.PERMISSION_DENIED, text, "IAM_PERMISSION_DENIED")


@dataclass
class GoogleServer:
    """Resources by name, the rights on them (all, unless said otherwise), and what is refused.

    `refusals` are by method (`GetTopic`) or by method and resource (`GetTopic projects/...`).
    """

    resources: dict[str, Any] = field(default_factory=dict)
    lacks: dict[str, set[str]] = field(default_factory=dict)
    policies: dict[str, policy_pb2.Policy] = field(default_factory=dict)
    refusals: dict[str, Refusal] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def get(self, method: str, name: str, context: Any) -> Any:
        """The resource of this name."""
        self.asked.append((method, name))
        await self._refuse(method, name, context)
        if name not in self.resources:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"Resource not found (resource={name}).")
        return self.resources[name]

    async def test(self, request: Any, context: Any) -> Any:
        """TestIamPermissions: none on what does not exist."""
        self.asked.append(("TestIamPermissions", request.resource))
        await self._refuse("TestIamPermissions", request.resource, context)
        lacks = self.lacks.get(request.resource, set())
        held = [one for one in request.permissions if request.resource in self.resources and one not in lacks]
        return iam_policy_pb2.TestIamPermissionsResponse(permissions=held)

    async def policy(self, request: Any, context: Any) -> Any:
        """GetIamPolicy."""
        await self._refuse("GetIamPolicy", request.resource, context)
        return self.policies.get(request.resource, policy_pb2.Policy())

    async def _refuse(self, method: str, name: str, context: Any) -> None:
        refusal = self.refusals.get(f"{method} {name}") or self.refusals.get(method)
        if refusal is None:
            return
        if refusal.reason:
            info = any_pb2.Any()
            info.Pack(error_details_pb2.ErrorInfo(reason=refusal.reason, domain="googleapis.com"))
            code = code_pb2.Code.Value(refusal.code.name)
            status = status_pb2.Status(code=code, message=refusal.message, details=[info])
            context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        await context.abort(refusal.code, refusal.message)


Method = tuple[str, type[Any], Callable[[Any], str]]
"""A method that gets a resource: its name, its request's protobuf class, where in that the name is."""


@asynccontextmanager
async def google_server(methods: Mapping[str, list[Method]]) -> AsyncIterator[tuple[GoogleServer, str]]:
    """A server with these methods by service, and IAM's, and its `host:port`; until the body ends."""
    google = GoogleServer()
    server = grpc.aio.server()
    handlers = {
        service: {name: _handler(google, name, request, named) for name, request, named in ones}
        for service, ones in methods.items()
    }
    iam = {
        "TestIamPermissions": _unary(google.test, iam_policy_pb2.TestIamPermissionsRequest),
        "GetIamPolicy": _unary(google.policy, iam_policy_pb2.GetIamPolicyRequest),
    }
    # Pub/Sub answers questions about rights as a service of its own, Secret Manager among its own methods.
    handlers = {service: {**ones, **iam} for service, ones in handlers.items()}
    handlers["google.iam.v1.IAMPolicy"] = iam
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler(service, ones) for service, ones in handlers.items()]
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield google, f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


def _handler(google: GoogleServer, name: str, request: type[Any], named: Callable[[Any], str]) -> Any:
    async def answer(asked: Any, context: Any) -> Any:
        return await google.get(name, named(asked), context)

    return _unary(answer, request)


def _unary(call: Any, request: type[Any]) -> Any:
    return grpc.unary_unary_rpc_method_handler(
        call, request.FromString, lambda message: message.SerializeToString()
    )
