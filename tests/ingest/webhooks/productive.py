"""A small Productive with nothing but webhooks, over real HTTP, documented and seen by others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote
from uuid import UUID

from aiohttp import web

TOKEN = "tok-6b1f-do-not-show"
ORGANIZATION = "4711"
JSON_API = "application/vnd.api+json"


class Productive:
    """Webhooks that can be listed, read, made and deleted; other lists as `lists` has them.

    `plan` and `may_write` refuse as the plan and the token do; `lose_answers` is how many of the next POSTs
    are carried out and then not answered; `list_shows_token` and `get_shows_token` say where tokens are seen.
    `lists_lag` leaves every webhook out of the list; `fail_after` is how many writes are carried out before
    all are answered with 503.
    """

    def __init__(self) -> None:
        self.webhooks: dict[str, dict[str, Any]] = {}
        self.lists: dict[str, list[dict[str, Any]]] = {}
        self.plan = True
        self.may_write = True
        self.refuse_target = False
        self.list_shows_token = True
        self.get_shows_token = True
        self.lists_lag = False
        self.lose_answers = 0
        self.page_size = 200
        self.fail_after: int | None = None
        self.asked: list[tuple[str, str]] = []
        self._next = 100
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/api/v2/webhooks", self._create)
        app.router.add_get("/api/v2/webhooks/{id}", self._get)
        app.router.add_delete("/api/v2/webhooks/{id}", self._delete)
        app.router.add_get("/api/v2/{list}", self._list)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/api/v2"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def add(self, event_id: int, target_url: str, **attributes: Any) -> str:
        """A webhook as somebody made it, by hand or with another program; its id."""
        self._next += 1
        id_ = str(self._next)
        self.webhooks[id_] = {
            "name": "",
            "event_id": event_id,
            "state_id": 3,
            "type_id": 1,
            "retry_attempts": None,
            "deactivated_at": None,
            "signature_token": str(UUID(int=self._next * 7919 << 90, version=4)),
            "target_url": target_url,
            "test": False,
            "custom_headers": None,
            **attributes,
        }
        return id_

    def at(self, base: str) -> dict[int, list[str]]:
        """The ids of the webhooks whose target begins with `base`, by event."""
        found: dict[int, list[str]] = {}
        for id_, webhook in self.webhooks.items():
            if webhook["target_url"].startswith(base):
                found.setdefault(webhook["event_id"], []).append(id_)
        return found

    def count(self, method: str) -> int:
        return sum(asked == method for asked, _ in self.asked)

    def _refusal(self, request: web.Request) -> web.Response | None:
        self.asked.append((request.method, request.path_qs))
        writes = request.method != "GET"
        if writes and self.fail_after is not None:
            self.fail_after -= 1
        refusals = (
            (writes and request.content_type != JSON_API, 415, "unsupported_content_type"),
            (request.headers.get("X-Auth-Token") != TOKEN, 401, "invalid_auth_token"),
            (request.headers.get("X-Organization-Id") != ORGANIZATION, 403, "no_organization_id"),
            (writes and self.fail_after is not None and self.fail_after < 0, 503, "down"),
            (writes and not self.plan, 403, "webhooks_limit_exceeded"),
            (writes and not self.may_write, 403, "forbidden"),
        )
        return next((_problem(status, code) for applies, status, code in refusals if applies), None)

    async def _create(self, request: web.Request) -> web.Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        data = json.loads(await request.read())["data"]
        attributes = data["attributes"]
        if self.refuse_target or data["type"] != "webhooks" or not isinstance(attributes["event_id"], int):
            return _problem(422, "invalid_attribute_value", pointer="data/attributes/target_url")
        assert attributes["type_id"] == 1
        id_ = self.add(attributes["event_id"], attributes["target_url"], name=attributes["name"])
        if self.lose_answers:
            self.lose_answers -= 1
            assert request.transport is not None
            request.transport.close()
        return _answer(201, {"data": self._resource(id_, shows_token=self.get_shows_token)})

    async def _get(self, request: web.Request) -> web.Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        id_ = request.match_info["id"]
        if id_ not in self.webhooks:
            return _problem(404, "record_not_found")
        return _answer(200, {"data": self._resource(id_, shows_token=self.get_shows_token)})

    async def _delete(self, request: web.Request) -> web.Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        if self.webhooks.pop(request.match_info["id"], None) is None:
            return _problem(404, "record_not_found")
        return web.Response(status=204)

    async def _list(self, request: web.Request) -> web.Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        if "page[after]" in request.query:
            return _problem(400, "keyset_unsupported_sort")
        name = request.match_info["list"]
        if name == "webhooks" and self.lists_lag:
            items = []
        elif name == "webhooks":
            items = [self._resource(id_, shows_token=self.list_shows_token) for id_ in self.webhooks]
        elif name in self.lists:
            items = self.lists[name]
        else:
            return _problem(404, "route_not_found")
        number = int(request.query.get("page[number]", "1"))
        size = min(int(request.query.get("page[size]", "30")), self.page_size)
        pages = -(-len(items) // size)
        links = {}
        if number < pages:
            links["next"] = f"{self.url}/{name}?" + "&".join(
                f"{quote(key)}={quote(value)}"
                for key, value in (("page[number]", str(number + 1)), ("page[size]", str(size)))
            )
        meta = {"current_page": number, "total_pages": pages, "total_count": len(items), "page_size": size}
        return _answer(
            200, {"data": items[(number - 1) * size : number * size], "links": links, "meta": meta}
        )

    def _resource(self, id_: str, *, shows_token: bool) -> dict[str, Any]:
        attributes = dict(self.webhooks[id_])
        if not shows_token:
            del attributes["signature_token"]
        return {"id": id_, "type": "webhooks", "attributes": attributes, "relationships": {}}


def _answer(status: int, document: Mapping[str, Any]) -> web.Response:
    return web.Response(status=status, body=json.dumps(document).encode(), content_type=JSON_API)


def _problem(status: int, code: str, pointer: str = "") -> web.Response:
    error = {"status": str(status), "code": code, "title": code, "detail": code, "source": {}}
    if pointer:
        error["source"] = {"pointer": pointer}
    return _answer(status, {"errors": [error]})
