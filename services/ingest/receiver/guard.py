"""What keeps a few thousand idle, slow or hostile connections from keeping out the good ones."""

from __future__ import annotations

import asyncio
import logging
import resource
from collections.abc import Awaitable, Callable

from aiohttp import web

from services.ingest.receiver.limits import ReceiverLimits
from services.ingest.receiver.metrics import ReceiverMetrics

_FILES_BESIDE_CONNECTIONS = 128
_LINGERING_SECONDS = 1.0
_LINE_BYTES = 2_048
_FIELD_BYTES = 4_096
_FIELDS = 64
_BUFFER_BYTES = 1 << 14

_silent = logging.Logger("silent")
_silent.disabled = True

NO_SERVER = {"Server": ""}
"""Without this aiohttp tells its version and Python's."""


def raise_file_limit() -> int:
    """Let this process open as many files as it may, and return how many that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):
            return soft
    return hard if hard != resource.RLIM_INFINITY else 1 << 20


class Connection(web.RequestHandler):
    """aiohttp's side of one connection; answers what is no HTTP without a word, and without a log line."""

    __slots__ = ("_metrics",)

    def __init__(self, manager: web.Server, metrics: ReceiverMetrics, limits: ReceiverLimits) -> None:
        # aiohttp closes a connection whose next head is not complete within `keepalive_timeout`, counted
        # from the connection or the last answer, however busily it is being sent.
        super().__init__(
            manager,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=limits.head_seconds,
            lingering_time=_LINGERING_SECONDS,
            max_line_size=_LINE_BYTES,
            max_field_size=_FIELD_BYTES,
            max_headers=_FIELDS,
            read_bufsize=_BUFFER_BYTES,
            auto_decompress=False,
            access_log=None,  # type: ignore[arg-type]  # aiohttp tests whether there is one
            logger=_silent,
        )
        self._metrics = metrics

    def handle_error(
        self,
        request: web.BaseRequest,  # noqa: ARG002 -- aiohttp's signature
        status: int = 500,
        exc: BaseException | None = None,  # noqa: ARG002
        message: str | None = None,  # noqa: ARG002
    ) -> web.StreamResponse:
        """Answer what is not HTTP, or what our handler failed on."""
        self._metrics.refused("not_http" if status < 500 else "error")
        response = web.Response(status=status, headers=NO_SERVER)
        response.force_close()
        return response


class Guard(web.Server):
    """Holds the connections, at most `most` of them, ordered by how long we have been waiting for them.

    A connection is *waiting* until a whole request has come, and *busy* from then to the answer. When
    there are too many, the one that has been waiting longest is closed; if all are busy, the new one.
    """

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        *,
        most: int,
        metrics: ReceiverMetrics,
        limits: ReceiverLimits,
    ) -> None:
        super().__init__(handler)
        self._most = most
        self._metrics = metrics
        self._limits = limits
        self._waiting: dict[web.RequestHandler, None] = {}
        self._busy: set[web.RequestHandler] = set()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._busy)

    def __call__(self) -> web.RequestHandler:
        """Make the protocol of a new connection, as `loop.create_server` asks for it."""
        return Connection(self, self._metrics, self._limits)

    def busy(self, connection: web.RequestHandler) -> None:
        """A whole request has come: the connection may not be closed before the answer."""
        if connection in self._waiting:
            del self._waiting[connection]
            self._busy.add(connection)

    def waiting(self, connection: web.RequestHandler) -> None:
        """The request is answered."""
        if connection in self._busy:
            self._busy.discard(connection)
            self._waiting[connection] = None

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """See `web.Server.connection_made`."""
        super().connection_made(handler, transport)
        self._waiting[handler] = None
        if len(self) > self._most:
            longest = next(iter(self._waiting))
            del self._waiting[longest]
            self._metrics.connection_closed()
            # Not at once: a connection as new as this one has yet to start what closing it ends.
            asyncio.get_running_loop().call_soon(longest.force_close)

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        """See `web.Server.connection_lost`."""
        super().connection_lost(handler, exc)
        self._waiting.pop(handler, None)
        self._busy.discard(handler)


def connections_for(limits: ReceiverLimits) -> int:
    """How many connections there may be, given how many files the process may open."""
    return max(1, min(limits.connections, raise_file_limit() - _FILES_BESIDE_CONNECTIONS))
