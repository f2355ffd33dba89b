"""The HTTP side: credentials, limits, faults, and then the answer."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from dataclasses import dataclass, field
from email.utils import formatdate
from urllib.parse import unquote

from aiohttp import web

from services.sandbox import problems
from services.sandbox.faults import Faults
from services.sandbox.limits import Gate, too_many
from services.sandbox.lists import ListRequest, Lists
from services.sandbox.problems import Problem
from services.sandbox.query.params import parse
from services.sandbox.schema import Resource, Schema
from services.sandbox.settings import SandboxSettings
from services.sandbox.webhooks.endpoint import WebhookEndpoint
from shared.clock import MICROSECONDS, Clock

ROOT = "/api/v2"
CONTENT_TYPE = "application/vnd.api+json"
_HTML = b"<!doctype html><html><body><h1>We'll be right back</h1></body></html>"
_READS = frozenset({"GET", "HEAD"})
# What can be written: by method, table, and whether the whole list is meant and not one record.
_WRITES = frozenset({("POST", "webhooks", True), ("DELETE", "webhooks", False)})
_ANYWHERE = frozenset({"organization_memberships"})


@dataclass(frozen=True)
class RequestLog:
    """One request as it was received and answered; status 0 is one that was never answered."""

    method: str
    path: str
    query: list[tuple[str, str]]
    status: int
    table: str | None
    headers: dict[str, str] = field(repr=False)
    """Without the token."""
    at: float = 0.0
    """On the clock's monotonic scale."""


@dataclass(frozen=True)
class Route:
    """What a path means: a table, and one record of it or the list."""

    resource: Resource
    identifier: str | None


class Server:
    """Handles requests one by one; knows nothing about sockets."""

    def __init__(
        self,
        settings: SandboxSettings,
        *,
        organization_id: str,
        schema: Schema,
        lists: Lists,
        webhooks: WebhookEndpoint,
        faults: Faults,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._organization_id = organization_id
        self._schema = schema
        self._lists = lists
        self._webhooks = webhooks
        self._faults = faults
        self._clock = clock
        self._gate = Gate(settings.limits, clock)
        self._numbers = itertools.count(1)
        self.origin = ""
        self.stopping = asyncio.Event()
        self.log: deque[RequestLog] = deque(maxlen=settings.log_size)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, and remember it."""
        route: Route | None = None
        status = 0
        try:
            if self._settings.latency:
                await self._clock.sleep(self._settings.latency)
            try:
                route = self._route(request)
                response = await self._respond(request, route)
            except Problem as problem:
                response = self._response(problem.body(), problem.status, problem.headers)
            status = response.status
            if self._settings.gzip:
                response.enable_compression()
            if status == 200 and self._faults.take("cut_bodies"):
                return await self._cut(request, response)
            return response
        finally:
            self._remember(request, route, status)

    def _route(self, request: web.BaseRequest) -> Route:
        path = unquote(request.path)
        if not path.startswith(f"{ROOT}/"):
            raise problems.no_route(path)
        if request.method == "POST" and not request.content_type.startswith(CONTENT_TYPE):
            raise problems.unsupported_media_type()
        name = path[len(ROOT) + 1 :].rstrip("/")
        head, _, tail = name.rpartition("/")
        resource, identifier = self._schema.by_path.get(name), None
        if resource is None:
            resource, identifier = self._schema.by_path.get(head), tail
        if resource is None or (resource.name == "boards" and self._faults.boards_missing):
            raise problems.no_route(path)
        if (
            request.method,
            resource.name,
            identifier is None,
        ) not in _WRITES and request.method not in _READS:
            raise problems.no_route(path)
        return Route(resource, identifier)

    async def _respond(self, request: web.BaseRequest, route: Route) -> web.Response:
        table, faults = route.resource.name, self._faults
        if faults.take("hang"):
            await self.stopping.wait()
        if (location := faults.of(faults.redirects, table)) is not None:
            return self._response(b"", 302, {"Location": str(location)})
        if (status := faults.server_error(table)) is not None:
            raise Problem(status, "server_error", "Something went wrong", printed=str(status))
        if faults.take("garbage"):
            return web.Response(body=_HTML, content_type="text/html", headers=self._headers())
        self._authorize(request, route.resource)
        self._admit(route.resource)
        if (unavailable := faults.of(faults.unavailable, table)) is not None:
            status, code = unavailable
            raise Problem(status, code, code.replace("_", " ").capitalize(), printed=str(status))
        if request.method not in _READS:
            return await self._write(request, route)
        query = parse(request.rel_url.raw_query_string)
        if (name := faults.refused_param(table, [key for key, _ in query.pairs])) is not None:
            raise problems.unsupported_param(name, faults.status_code)
        if route.identifier is not None:
            answer = self._lists.one(route.resource, route.identifier, query)
        else:
            flags = frozenset(flag.strip() for flag in request.headers.get("X-Feature-Flags", "").split(","))
            base = f"{self.origin}{ROOT}/{route.resource.path}"
            answer = self._lists.many(ListRequest(route.resource, query, base, flags))
        self._gate.spend(records=answer.records, included=answer.included)
        return self._response(answer.body, 200, {})

    async def _write(self, request: web.BaseRequest, route: Route) -> web.Response:
        if self._settings.read_only:
            raise problems.read_only_token()
        self._gate.spend(records=1, included=0)
        if route.identifier is not None:
            self._webhooks.delete(route.identifier)
            return self._response(b"", 204, {})
        # An old organization may keep removing its webhooks, but cannot have new ones.
        if not self._settings.webhooks_allowed:
            raise problems.webhooks_limit_exceeded()
        created = self._webhooks.create(await request.read())
        return self._response(self._lists.one(route.resource, created, parse("")).body, 201, {})

    def _authorize(self, request: web.BaseRequest, resource: Resource) -> None:
        if request.headers.get("X-Auth-Token") != self._settings.token:
            raise problems.invalid_token()
        if resource.name in _ANYWHERE:
            return
        organization = request.headers.get("X-Organization-Id", "")
        if not organization.isdigit():
            raise problems.no_organization()
        if organization != self._organization_id:
            raise problems.no_person()

    def _admit(self, resource: Resource) -> None:
        if self._faults.take("too_many"):
            problem = too_many("Too many requests", limit=100, period=10, wait=1, whole_seconds=True)
            problem.headers.clear()
            if self._faults.too_many_reset is not None:
                problem.headers["X-RateLimit-Reset"] = self._faults.too_many_reset
            raise problem
        self._gate.admit("reports" if resource.is_report else resource.family)

    def _response(self, body: bytes, status: int, headers: dict[str, str]) -> web.Response:
        return web.Response(
            body=body,
            status=status,
            headers={**self._headers(), **headers},
            content_type=CONTENT_TYPE,
            charset="utf-8",
        )

    def _headers(self) -> dict[str, str]:
        now = self._clock.now_us() / MICROSECONDS + self._faults.date_skew_seconds
        return {"Date": formatdate(now, usegmt=True), "X-Request-Id": f"sandbox-{next(self._numbers)}"}

    async def _cut(self, request: web.BaseRequest, response: web.Response) -> web.StreamResponse:
        """Send the headers of the whole and half of the body, then hang up."""
        body = response.body
        whole = body if isinstance(body, bytes) else b""
        half = web.StreamResponse(status=200, headers=self._headers())
        half.content_type = CONTENT_TYPE
        half.content_length = len(whole)
        half.force_close()
        await half.prepare(request)
        await half.write(whole[: len(whole) // 2])
        if request.transport is not None:
            request.transport.close()
        return half

    def _remember(self, request: web.BaseRequest, route: Route | None, status: int) -> None:
        headers = {name.lower(): value for name, value in request.headers.items()}
        headers.pop("x-auth-token", None)
        self.log.append(
            RequestLog(
                method=request.method,
                path=request.path,
                query=parse(request.rel_url.raw_query_string).pairs,
                status=status,
                table=route.resource.name if route else None,
                headers=headers,
                at=self._clock.monotonic(),
            )
        )
