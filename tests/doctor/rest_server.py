"""Services of Google's over REST that answer as they are told to, as Google documents: also with refusals."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass
class RestServer:
    """Answers by method and path; what nobody gave an answer for is not found.

    `held` are the permissions that testIamPermissions tells of by path, None for all that are asked for.
    """

    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    held: dict[str, set[str] | None] = field(default_factory=dict)
    refusals: dict[str, tuple[int, str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    statements: dict[str, tuple[int, str, str]] = field(default_factory=dict)
    """Queries by their first word, with how they are refused."""

    async def handle(self, request: web.Request) -> web.Response:
        what = f"{request.method} {request.path}"
        self.asked.append(what)
        if what in self.refusals:
            return _refusal(*self.refusals[what])
        if request.path.endswith(("estIamPermissions", "testPermissions")):
            return await self._permissions(request)
        if request.path.endswith("/jobs"):
            return await self._query(request)
        if what not in self.answers:
            return _refusal(404, f"Not found: {request.path}", "notFound")
        return web.json_response(self.answers[what])

    async def _permissions(self, request: web.Request) -> web.Response:
        wanted = (
            (await request.json())["permissions"]
            if request.method == "POST"
            else request.query.getall("permissions")
        )
        held = self.held.get(request.path, set())
        return web.json_response({"permissions": [one for one in wanted if held is None or one in held]})

    async def _query(self, request: web.Request) -> web.Response:
        job = await request.json()
        assert job["configuration"]["dryRun"] is True
        statement = job["configuration"]["query"]["query"]
        refusal = self.statements.get(statement.split()[0])
        if refusal is not None:
            return _refusal(*refusal)
        return web.json_response({**job, "status": {"state": "DONE"}, "statistics": {"query": {}}})


def switched_off(api: str) -> tuple[int, str, str]:
    """What a project answers whose API was never switched on."""
    text = f"{api} has not been used in project 123 before or it is disabled."
    return 403, text, "SERVICE_DISABLED"


def denied(permission: str) -> tuple[int, str, str]:
    """What an account without a permission gets."""
    return (
        403,
        f"Access Denied: User does not have {permission} access (or it may not exist).",
        "accessDenied",
    )


def _refusal(status: int, message: str, reason: str) -> web.Response:
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"}
    error = {
        "code": status,
        "message": message,
        "errors": [{"reason": reason, "message": message}],
        "details": [info],
    }
    return web.json_response({"error": error}, status=status)


@asynccontextmanager
async def rest_server() -> AsyncIterator[tuple[RestServer, str]]:
    """The server and its URL, until the body ends."""
    server = RestServer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield server, f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
