"""Reads bodies: as they came, up to a size, before a deadline, and no more at once than there is room for."""

from __future__ import annotations

import asyncio
from enum import Enum

from aiohttp import web

from services.ingest.receiver.limits import ReceiverLimits

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class BodyRefusal(Enum):
    """Why a body was not read to its end; its value is the HTTP status."""

    CUT_OFF = 400
    TOO_SLOW = 408
    TOO_LARGE = 413
    ENCODED = 415
    NO_ROOM = 503


class Bodies:
    """Knows how many bytes of bodies are in memory. What `read` gives is counted until `forget`.

    Bytes are counted as they come, not as they are announced, so that an announcement costs nobody
    anything; and bodies that come in pieces get half of the room: slow ones leave some for whole ones.
    """

    def __init__(self, limits: ReceiverLimits) -> None:
        self._limits = limits
        self._held = 0

    @property
    def held(self) -> int:
        """Bytes in memory now."""
        return self._held

    def refuse(self, request: web.BaseRequest) -> BodyRefusal | None:
        """What its head already tells against a request."""
        if request.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
            return BodyRefusal.ENCODED
        announced = request.content_length
        if announced is not None and announced > self._limits.body_bytes:
            return BodyRefusal.TOO_LARGE
        return None

    async def read(self, request: web.BaseRequest) -> bytes | BodyRefusal:
        """The whole body; nothing of it is kept when it is refused."""
        content = request.content
        try:
            if content.is_eof():
                # The usual case: it came together with the head.
                return self._whole(content.read_nowait())
            if request.headers.get("Expect", "").lower() == "100-continue":
                await request.writer.write(_CONTINUE)
                # The interim answer is not to be taken for the beginning of the real one.
                request.writer.output_size = 0
            async with asyncio.timeout(self._limits.body_seconds):
                return await self._in_pieces(request)
        except TimeoutError:
            return BodyRefusal.TOO_SLOW
        except (web.RequestPayloadError, ConnectionError):
            return BodyRefusal.CUT_OFF

    def forget(self, body: bytes) -> None:
        """The body is not needed any more."""
        self._held -= len(body)

    def _whole(self, body: bytes) -> bytes | BodyRefusal:
        if len(body) > self._limits.body_bytes:
            return BodyRefusal.TOO_LARGE
        if self._held + len(body) > self._limits.bodies_bytes:
            return BodyRefusal.NO_ROOM
        self._held += len(body)
        return body

    async def _in_pieces(self, request: web.BaseRequest) -> bytes | BodyRefusal:
        pieces: list[bytes] = []
        size = 0
        try:
            while not request.content.at_eof():
                piece = await request.content.readany()
                if size + len(piece) > self._limits.body_bytes:
                    return BodyRefusal.TOO_LARGE
                if self._held + len(piece) > self._limits.bodies_bytes // 2:
                    return BodyRefusal.NO_ROOM
                pieces.append(piece)
                size += len(piece)
                self._held += len(piece)
            body = b"".join(pieces)
            self._held += len(body)
            return body
        finally:
            self._held -= size
