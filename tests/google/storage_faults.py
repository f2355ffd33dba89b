"""What stands between a client and Cloud Storage, and fails as networks and Google's front ends do."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import aiohttp
import msgspec
from aiohttp import web

_HOP = {"host", "transfer-encoding", "content-length", "connection", "keep-alive"}


@dataclass(frozen=True)
class Refuse:
    """An answer of Google's front end: the request goes no further."""

    status: int
    message: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Cut:
    """The connection breaks, before the request is carried out or after."""

    after: bool = False


@dataclass(frozen=True)
class Damage:
    """One bit of the answer's body is turned over."""


@dataclass(frozen=True)
class Hang:
    """The request is carried out, and its answer comes when `until` says so."""

    until: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True)
class Meanwhile:
    """Somebody else does something before the fault that follows."""

    do: Callable[[], Awaitable[object]]
    then: Refuse | Cut = field(default_factory=Cut)


Fault = Refuse | Cut | Damage | Hang | Meanwhile | None


class Faults:
    """A proxy whose next requests meet what `coming` says, None being nothing; then all is well."""

    def __init__(self, server: str) -> None:
        self._server = server
        self.url = ""
        self.coming: deque[Fault] = deque()
        self.requests: list[str] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path}")
        body = await request.read()
        fault = self.coming.popleft() if self.coming else None
        if isinstance(fault, Meanwhile):
            await fault.do()
            fault = fault.then
        match fault:
            case Refuse():
                return _refused(fault)
            case Cut(after=False):
                return _cut(request)
        status, headers, answer = await self._forward(request, body)
        match fault:
            case Cut():
                return _cut(request)
            case Damage():
                answer = answer[:-1] + bytes([answer[-1] ^ 1])
            case Hang(until=until):
                await until.wait()
        return web.Response(status=status, headers=headers, body=answer)

    async def _forward(self, request: web.Request, body: bytes) -> tuple[int, dict[str, str], bytes]:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.request(
                request.method, self._server + request.raw_path, headers=headers, data=io.BytesIO(body)
            ) as answer,
        ):
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP}
            if "Location" in kept:
                kept["Location"] = kept["Location"].replace(self._server, self.url)
            return answer.status, kept, await answer.read()


@contextlib.asynccontextmanager
async def storage_faults(server: str) -> AsyncIterator[Faults]:
    """The proxy before `server` (a URL), on a free port, until the block ends."""
    faults = Faults(server)
    app = web.Application(client_max_size=100 << 20)
    app.router.add_route("*", "/{path:.*}", faults.handle)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        faults.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield faults
    finally:
        for fault in faults.coming:
            if isinstance(fault, Hang):
                fault.until.set()
        await runner.cleanup()


def _refused(fault: Refuse) -> web.Response:
    errors = [{"message": fault.message, "domain": "global", "reason": fault.reason}]
    body = {"error": {"code": fault.status, "message": fault.message, "errors": errors}}
    return web.Response(
        status=fault.status, body=msgspec.json.encode(body), content_type="application/json", charset="UTF-8"
    )


def _cut(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()
