"""One attempt at one request: what came back, or why nothing did. Nothing here tries again."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from multidict import CIMultiDictProxy
from yarl import URL

from shared.clock import Clock
from shared.productive.jsonapi import UnreadableError, parse
from shared.productive.retry import Timeouts

MAX_BODY_BYTES = 64 * 1024 * 1024

_CHUNK = 256 * 1024


@dataclass(frozen=True, slots=True)
class Arrived:
    """An answer: `document` is its JSON (None without a body). Times on our clock."""

    status: int
    headers: CIMultiDictProxy[str]
    document: Any
    sent_us: int
    head_us: int
    elapsed: float


@dataclass(frozen=True, slots=True)
class Failed:
    """No answer that could be read; `reason` is a phrase for people and holds no secret.

    `contact` says that the server was reached at all, `unreadable` that something came which is not what
    the API sends, `final` that trying again is of no use.
    """

    reason: str
    contact: bool = True
    unreadable: bool = False
    final: bool = False


Attempt = Arrived | Failed


class Transport:
    """Sends with a session of aiohttp; never follows a redirect, never reads without an end.

    Errors of aiohttp carry the request's headers, and with them the token: none is ever passed on or
    kept as a cause.
    """

    def __init__(
        self, session: aiohttp.ClientSession, clock: Clock, timeouts: Timeouts, max_body_bytes: int
    ) -> None:
        self._session = session
        self._clock = clock
        self._timeout = aiohttp.ClientTimeout(
            total=timeouts.total,
            connect=timeouts.connect,
            sock_connect=timeouts.connect,
            sock_read=timeouts.silence,
        )
        self._timeouts = timeouts
        self._max_body_bytes = max_body_bytes

    async def send(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        *,
        body: bytes | None = None,
        on_head: Callable[[], None],
    ) -> Attempt:
        """One request. `on_head` is called as soon as the status line and headers are here."""
        sent_us, started = self._clock.now_us(), self._clock.monotonic()
        try:
            async with self._session.request(
                method, url, headers=headers, data=body, allow_redirects=False, timeout=self._timeout
            ) as response:
                head_us, elapsed = self._clock.now_us(), self._clock.monotonic() - started
                on_head()
                raw = await self._read(response)
                if isinstance(raw, Failed):
                    return raw
                return Arrived(
                    response.status,
                    response.headers,
                    _document(raw, response.status),
                    sent_us=sent_us,
                    head_us=head_us,
                    elapsed=elapsed,
                )
        except UnreadableError as error:
            return Failed(f"the answer's body cannot be read: {error}", unreadable=True)
        except (aiohttp.ClientError, OSError, TimeoutError, asyncio.IncompleteReadError, ValueError) as error:
            return self._failure(error)

    async def _read(self, response: aiohttp.ClientResponse) -> bytes | Failed:
        limit = self._max_body_bytes
        if (response.content_length or 0) > limit:
            return self._too_large()
        chunks: list[bytes] = []
        size = 0
        async for chunk in response.content.iter_chunked(_CHUNK):
            size += len(chunk)
            if size > limit:
                return self._too_large()
            chunks.append(chunk)
        return b"".join(chunks)

    def _too_large(self) -> Failed:
        reason = f"the answer is larger than {self._max_body_bytes:,} bytes"
        return Failed(reason, unreadable=True, final=True)

    def _failure(self, error: BaseException) -> Failed:
        """A phrase for the error's type; its own text is used only where it is the operating system's."""
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            return Failed("its TLS certificate is not valid for this address", contact=False, final=True)
        limits = self._timeouts
        for kind, reason in _UNCONNECTED:
            if isinstance(error, kind):
                return Failed(reason.format(limits=limits, cause=_cause(error)), contact=False)
        for kind, reason in _BROKEN:
            if isinstance(error, kind):
                return Failed(reason.format(limits=limits))
        return Failed(f"the request could not be made ({type(error).__name__})")


_UNCONNECTED: tuple[tuple[type[BaseException], str], ...] = (
    (aiohttp.ClientSSLError, "the TLS handshake failed"),
    (ssl.SSLError, "the TLS handshake failed"),
    (aiohttp.ClientConnectorDNSError, "its name cannot be resolved (DNS)"),
    (aiohttp.ClientProxyConnectionError, "the proxy cannot be reached"),
    (aiohttp.ClientConnectorError, "{cause}"),
    (aiohttp.ConnectionTimeoutError, "no connection within {limits.connect:g} s"),
)
_BROKEN: tuple[tuple[type[BaseException], str], ...] = (
    (aiohttp.SocketTimeoutError, "nothing came for {limits.silence:g} s"),
    (TimeoutError, "the answer was not complete after {limits.total:g} s"),
    (aiohttp.ClientPayloadError, "the answer broke off"),
    (aiohttp.ClientResponseError, "the answer is not HTTP as it should be"),
    (aiohttp.ClientConnectionError, "the connection broke"),
    (OSError, "the connection broke"),
)


def _cause(error: BaseException) -> str:
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else None
    if isinstance(cause, ConnectionRefusedError):
        return "the connection was refused"
    return f"no connection ({(cause and cause.strerror) or 'no reason given'})"


def _document(raw: bytes, status: int) -> Any:
    """The JSON of the answer. Only a success must have one: proxies answer errors with HTML."""
    if status == 204 and not raw:
        return None
    try:
        return parse(raw)
    except UnreadableError:
        if 200 <= status < 300:
            raise
        return None
