"""One delivery over HTTP."""

from __future__ import annotations

from collections.abc import Mapping

import aiohttp

_ANSWER_BYTES = 1_000


class Poster:
    """Posts bodies; owns the connections. Make it inside of the event loop."""

    def __init__(self, *, concurrency: int, timeout: float) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=concurrency),
            timeout=aiohttp.ClientTimeout(total=timeout),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "Productive"},
        )

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int | None, str | None]:
        """The status of the answer and how it begins; None when none came in time. Follows no redirect."""
        try:
            async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as response:
                answer = await response.content.read(_ANSWER_BYTES)
                return response.status, answer.decode("utf-8", "replace")
        # A URL or a header that makes no request is a ValueError.
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            return None, None

    async def close(self) -> None:
        """End all connections."""
        await self._session.close()
