"""A small receiver that checks signatures by a computation of its own, over real HTTP."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from services.ingest.tokens import TokenBook


class SmallReceiver:
    """Answers 200 to what a token of the book has signed, else 401; or always `status`, when it is set."""

    def __init__(self, book: TokenBook, prefix: str = "") -> None:
        self.received: list[tuple[int, Mapping[str, Any]]] = []
        self.status: int | None = None
        self._book = book
        self._prefix = prefix
        self._runner: web.AppRunner | None = None
        self.base = ""

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post(f"{self._prefix}/webhooks/productive/{{event}}", self._take)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.base = f"http://127.0.0.1:{self._runner.addresses[0][1]}{self._prefix}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _take(self, request: web.Request) -> web.Response:
        if self.status is not None:
            return web.Response(status=self.status, headers={"Location": "https://elsewhere.example/"})
        body = await request.read()
        parts = dict(part.strip().split("=") for part in request.headers["Productive-Signature"].split(","))
        signed = parts["t"].encode() + b"." + body
        event = int(request.match_info["event"])
        for _ in range(2):
            for token in await self._book.tokens(event):
                if hmac.new(token.reveal().encode(), signed, hashlib.sha256).hexdigest() == parts["s"]:
                    self.received.append((event, json.loads(body)))
                    return web.Response()
            if not await self._book.reread():
                break
        return web.Response(status=401)
