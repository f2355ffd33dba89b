"""A plain HTTP client for the sandbox: it sends what it is told and hides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import aiohttp

from services.sandbox import Sandbox


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
        url = path if path.startswith("http") else f"{self.sandbox.url}/{path}"
        sent = {**self.headers, **(headers or {})}
        kept = {name: value for name, value in sent.items() if value}
        async with self._session.get(url, params=params, headers=kept, allow_redirects=False) as response:
            body = await response.read()
            document = await response.json(content_type=None) if "json" in response.content_type else None
            return Reply(response.status, dict(response.headers), body, document)

    async def walk(self, path: str, params: Mapping[str, str | int] | None = None) -> list[Reply]:
        """All pages of a cursor walk that follows `links.next` as it is printed."""
        pages = [await self.get(path, {"page[after]": "", **(params or {})})]
        while "next" in pages[-1].links:
            pages.append(await self.get(pages[-1].links["next"]))
        return pages
