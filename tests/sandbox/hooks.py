"""A receiver of webhooks that believes nothing and remembers everything."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from services.sandbox import Sandbox
from tests.sandbox.api import Api


@dataclass(frozen=True)
class Call:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    url: str = ""
    calls: list[Call] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    answer: Callable[[int], int] = lambda _number: 200
    """The status by the number of the call, from 1."""

    @property
    def told(self) -> list[tuple[str, int]]:
        """The event and the id of each call."""
        return [(call.document["event"], call.document["item_id"]) for call in self.calls]

    async def next_call(self) -> Call:
        """The next delivery, waited for."""
        self.arrived.clear()
        await self.arrived.wait()
        return self.calls[-1]

    async def handle(self, request: web.BaseRequest) -> web.Response:
        self.calls.append(Call(request.path, dict(request.headers), await request.read()))
        self.arrived.set()
        return web.Response(status=self.answer(len(self.calls)), text="as you say")


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver on a port of its own."""
    receiver = Receiver()
    runner = web.ServerRunner(web.Server(receiver.handle), shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield receiver
    finally:
        await runner.cleanup()


async def register(sandbox: Sandbox, url: str, events: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Register a webhook for each event at `url/event_id`, over the API; the resources by event."""
    async with Api(sandbox) as api:
        made = {}
        for event in events:
            attributes = {"event_id": event, "target_url": f"{url}/{event}", "type_id": 1}
            reply = await api.post("webhooks", {"data": {"type": "webhooks", "attributes": attributes}})
            assert reply.status == 201
            made[event] = reply.data
    return made


def with_to_one(resource: dict[str, Any]) -> dict[str, Any]:
    """A record without the lists of records that it leads to, which no delivery tells."""
    ends = {
        name: {"meta": {"included": False}} if isinstance(end["data"], list) else end
        for name, end in resource["relationships"].items()
    }
    return {**resource, "relationships": ends}
