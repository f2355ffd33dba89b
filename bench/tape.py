"""Answers of the API, recorded once and played back without a network or a server in between.

A tape stands where the client has its HTTP session: all that is the client's own (limits, reading,
JSON) is done as ever.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self, cast

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL


@dataclass(frozen=True, slots=True)
class Recorded:
    """One answer; has what the client reads of `aiohttp.ClientResponse`."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def content_length(self) -> int:
        return len(self.body)

    @property
    def content(self) -> Self:
        return self

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        for start in range(0, len(self.body), size):
            yield self.body[start : start + size]


class Tape:
    """Answers by URL. While `source` is set, what is not on the tape is asked for there and recorded."""

    def __init__(self, source: aiohttp.ClientSession | None = None) -> None:
        self.source = source
        self.answers: dict[URL, Recorded] = {}

    @property
    def session(self) -> aiohttp.ClientSession:
        """The tape, in the place of a session."""
        return cast(aiohttp.ClientSession, self)

    @property
    def bodies(self) -> list[bytes]:
        """All answers' bodies, in the order in which they were recorded."""
        return [answer.body for answer in self.answers.values()]

    @asynccontextmanager
    async def request(self, method: str, url: URL, **rest: Any) -> AsyncIterator[Recorded]:
        """As `aiohttp.ClientSession.request`."""
        if url not in self.answers:
            if self.source is None:
                raise LookupError(f"not on the tape: {method} {url.path_qs}")
            async with self.source.request(method, url, **rest) as response:
                headers = CIMultiDictProxy(CIMultiDict(response.headers))
                self.answers[url] = Recorded(response.status, headers, await response.read())
        yield self.answers[url]
