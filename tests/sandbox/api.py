"""A plain HTTP client for the sandbox: it sends what it is told and hides nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import aiohttp

from services.sandbox import Sandbox

JSON_API = "application/vnd.api+json"


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes
    document: Any

    @property
    def data(self) -> Any:
        return self.document["data"]

    @property
    def ids(self) -> list[str]:
        return [record["id"] for record in self.document["data"]]

    @property
    def meta(self) -> Any:
        return self.document["meta"]

    @property
    def links(self) -> Any:
        return self.document["links"]

    @property
    def error(self) -> Any:
        return self.document["errors"][0]


class Api:
    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.headers = {"X-Auth-Token": sandbox.token, "X-Organization-Id": sandbox.organization_id}
        self._session = aiohttp.ClientSession()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def get(
        self,
        path: str,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """GET below the API's root; `params` are encoded strictly, a whole URL is taken as it is."""
        return await self.send("GET", path, params=params, headers=headers)

    async def post(self, path: str, document: Any, headers: Mapping[str, str] | None = None) -> Reply:
        """POST a document, or bytes as they are."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        return await self.send("POST", path, body=body, headers={"Content-Type": JSON_API, **(headers or {})})

    async def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Reply:
        """Any request below the API's root; a header that is empty is left out."""
        url = path if path.startswith("http") else f"{self.sandbox.url}/{path}"
        sent = {**self.headers, **(headers or {})}
        kept = {name: value for name, value in sent.items() if value}
        async with self._session.request(
            method, url, params=params, headers=kept, data=body, allow_redirects=False
        ) as response:
            answer = await response.read()
            document = json.loads(answer) if answer and "json" in response.content_type else None
            return Reply(response.status, dict(response.headers), answer, document)

    async def walk(self, path: str, params: Mapping[str, str | int] | None = None) -> list[Reply]:
        """All pages of a cursor walk that follows `links.next` as it is printed."""
        pages = [await self.get(path, {"page[after]": "", **(params or {})})]
        while "next" in pages[-1].links:
            pages.append(await self.get(pages[-1].links["next"]))
        return pages
