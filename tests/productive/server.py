"""A small HTTP server for one test: answers as the test says, and remembers what it was asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from shared.catalog.model import Column, ColumnType, Include, Table
from shared.clock import Clock, ManualClock
from shared.productive import Connection, Limiter, LimitPolicy, ProductiveClient, RetryPolicy, Timeouts
from shared.secrets.secret import Secret

TOKEN = "tok-5e1f0c77-do-not-show"
ORGANIZATION = "4711"


@dataclass(frozen=True)
class Asked:
    """One request as it came over the wire; `query` decoded strictly, a `+` staying a plus."""

    method: str
    path: str
    raw_query: str
    headers: dict[str, str]
    body: bytes

    @property
    def query(self) -> dict[str, str]:
        pairs = (part.partition("=") for part in self.raw_query.split("&") if part)
        return {unquote(key): unquote(value) for key, _, value in pairs}


Reply = web.StreamResponse | Awaitable[web.StreamResponse]
Handler = Callable[[Asked], Reply]


class Server:
    """Serves `handler` for every path and method; `asked` is what came, in order."""

    def __init__(self, handler: Handler) -> None:
        self.asked: list[Asked] = []
        self._handler = handler
        self._runner: web.AppRunner | None = None
        self.root = ""

    async def __aenter__(self) -> Server:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.root = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Stop listening; what is connected is cut off."""
        assert self._runner is not None
        await self._runner.cleanup()

    @property
    def api_url(self) -> str:
        return f"{self.root}/api/v2"

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        path, _, raw_query = request.raw_path.partition("?")
        asked = Asked(request.method, path, raw_query, dict(request.headers), await request.read())
        self.asked.append(asked)
        reply = self._handler(asked)
        return reply if isinstance(reply, web.StreamResponse) else await reply


class Api:
    """What tests get: serves handlers and opens clients on them; everything is closed at the end."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self.clock = ManualClock()

    async def serve(self, handler: Handler) -> Server:
        return await self._stack.enter_async_context(Server(handler))

    async def client(
        self,
        server: Server | str,
        *,
        retry: RetryPolicy | None = None,
        timeouts: Timeouts | None = None,
        clock: Clock | None = None,
        policy: LimitPolicy | None = None,
        max_body_bytes: int = 8 * 1024 * 1024,
        random: Callable[[], float] = lambda: 0.5,
    ) -> ProductiveClient:
        url = server if isinstance(server, str) else server.api_url
        clock = clock or self.clock
        client = ProductiveClient(
            Connection(url, ORGANIZATION, Secret(TOKEN)),
            limiter=Limiter(policy or LimitPolicy(), clock),
            clock=clock,
            retry=retry or RetryPolicy(),
            timeouts=timeouts,
            max_body_bytes=max_body_bytes,
            random=random,
        )
        return await self._stack.enter_async_context(client)

    async def open(self, handler: Handler) -> tuple[ProductiveClient, Server]:
        server = await self.serve(handler)
        return await self.client(server), server


def script(*replies: Callable[[], web.StreamResponse]) -> Handler:
    """Each request gets the next reply, and the last one for ever."""
    left = list(replies)
    return lambda _: (left.pop(0) if len(left) > 1 else left[0])()


def reply(body: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        body=body if isinstance(body, bytes) else json.dumps(body).encode(),
        status=status,
        headers=headers,
        content_type="application/vnd.api+json",
    )


def page(ids: Sequence[object] = (), *, next_link: str | None = None, **meta: object) -> web.Response:
    data = [{"id": id_, "type": "deals", "attributes": {}} for id_ in ids]
    links = {"next": next_link} if next_link is not None else {}
    return reply({"data": data, "links": links, "meta": meta})


def refused(status: int = 400, headers: dict[str, str] | None = None, **error: object) -> web.Response:
    return reply({"errors": [error]}, status=status, headers=headers)


def table(
    *includes: str | Include,
    name: str = "deals",
    params: dict[str, str] | None = None,
    cursor: bool = True,
    stable_sort: str | None = None,
    fallback_path: str | None = None,
) -> Table:
    """A table with one foreign key for each include; those given by name point at `<name>s`."""
    all_of = tuple(i if isinstance(i, Include) else Include(i, f"{i}s") for i in includes)
    return Table(
        name=name,
        path=name,
        type=name,
        set="core",
        columns=(
            Column("id", ColumnType.STRING, "id", "id"),
            Column("title", ColumnType.STRING, "attribute", "title"),
            *(Column(f"{i.name}_id", ColumnType.STRING, "to_one_id", i.name) for i in all_of),
        ),
        includes=all_of,
        params=params or {},
        cursor=cursor,
        stable_sort=stable_sort,
        fallback_path=fallback_path,
    )


async def forever() -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError("never comes here")
