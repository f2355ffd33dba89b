"""What each request is answered. Knows HTTP, and nothing of sockets, buses or stores."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from typing import Final

from aiohttp import web

from services.ingest.delivery import PATH, Delivery
from services.ingest.receiver.acceptance import Acceptance, Outcome
from services.ingest.receiver.answers import yes
from services.ingest.receiver.bodies import Bodies, BodyRefusal
from services.ingest.receiver.environment import ReceiverEnvironment
from services.ingest.receiver.guard import NO_SERVER, Guard
from services.ingest.receiver.metrics import CONTENT_TYPE
from services.ingest.receiver.replays import Replays
from services.ingest.receiver.signature import HEADER, Refusal, Signature, read_signature
from shared.errors import IngestError
from shared.telemetry import tracing

log = logging.getLogger(__name__)

WEBHOOKS_PATH: Final = f"{PATH}/"

_EVENT_ID = re.compile(r"[1-9][0-9]{0,3}")
_QUIET_SECONDS = 60.0


class Handler:
    """Answers requests. `handle` is what the guard calls; `guard` must be set before it does."""

    guard: Guard

    def __init__(
        self,
        env: ReceiverEnvironment,
        acceptance: Acceptance,
        bodies: Bodies,
        *,
        spooled: Callable[[], None],
        is_alive: Callable[[], bool],
        is_ready: Callable[[], bool],
    ) -> None:
        self._env = env
        self._limits = env.limits
        self._metrics = env.metrics
        self._now_us = env.now_us or env.clock.now_us
        self._acceptance = acceptance
        self._bodies = bodies
        self._spooled = spooled
        self._is_alive = is_alive
        self._is_ready = is_ready
        # A signature of the future is good until the tolerance has passed twice.
        self._replays = Replays(
            env.clock, most=self._limits.replays, seconds=2 * self._limits.tolerance_seconds
        )
        self._complained_at = float("-inf")

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """The answer to any request; never raises but for a connection that is gone."""
        path = request.raw_path.partition("?")[0]
        if not path.startswith(WEBHOOKS_PATH):
            return self._other(request, path)
        started = time.perf_counter()
        try:
            return await self._webhook(request, path[len(WEBHOOKS_PATH) :])
        except Exception:
            # A bug must not become a flood in the log, nor a delivery that Productive gives up on.
            if started - self._complained_at > _QUIET_SECONDS:
                self._complained_at = started
                log.exception("a request failed; others that fail in the next minute are not logged")
            return self._try_again("error")
        finally:
            self._metrics.answered(time.perf_counter() - started)

    async def _webhook(self, request: web.BaseRequest, event: str) -> web.StreamResponse:
        received_us, started_ns = self._now_us(), time.time_ns()
        if not _EVENT_ID.fullmatch(event):
            return self._refuse(404, "no_such_path")
        if request.method != "POST":
            return self._refuse(405, "method", {"Allow": "POST"})
        refused = self._bodies.refuse(request)
        if refused is not None:
            return self._refuse_body(refused)
        signature = read_signature(
            request.headers.getall(HEADER, ()),
            now_us=received_us,
            tolerance_seconds=self._limits.tolerance_seconds,
        )
        if isinstance(signature, Refusal):
            return self._refuse(401, signature)
        body = await self._bodies.read(request)
        if isinstance(body, BodyRefusal):
            return self._refuse_body(body)
        self.guard.busy(request.protocol)
        try:
            delivery = Delivery(int(event), received_us, body)
            return await self._signed(request, delivery, signature, started_ns)
        finally:
            self._bodies.forget(body)
            self.guard.waiting(request.protocol)

    async def _signed(
        self, request: web.BaseRequest, delivery: Delivery, signature: Signature, started_ns: int
    ) -> web.StreamResponse:
        try:
            believed = await self._is_believed(delivery, signature)
        except IngestError:
            return self._try_again("secrets")
        if not believed:
            return self._refuse(401, Refusal.WRONG)
        if not tracing.is_on():
            return await self._believed(request, delivery, signature)
        # Only now: strangers shall not be able to fill the traces.
        attributes: tracing.Attributes = {
            "http.request.method": "POST",
            "http.route": f"{WEBHOOKS_PATH}{{event_id}}",
            "productive.event_id": delivery.event_id,
        }
        with tracing.server(
            f"POST {WEBHOOKS_PATH}{{event_id}}",
            started_ns=started_ns,
            headers=request.headers,
            attributes=attributes,
        ) as span:
            response = await self._believed(request, delivery, signature)
            span.set({"http.response.status_code": response.status})
            if response.status >= 500:
                span.fail(str(response.status))
            return response

    async def _believed(
        self, request: web.BaseRequest, delivery: Delivery, signature: Signature
    ) -> web.StreamResponse:
        size = len(delivery.body)
        key = (delivery.event_id, signature.digest)
        if key in self._replays:
            self._metrics.duplicate(size)
            return yes(request)
        with tracing.span("publish intake", kind="producer") as span:
            outcome = await self._acceptance.accept(delivery.followed())
            span.set({"messaging.destination.name": "intake", "productive.outcome": outcome.value})
        if outcome is Outcome.OVERLOADED:
            return self._try_again("storage")
        self._replays.remember(key)
        if outcome is Outcome.ACCEPTED:
            self._metrics.accepted(size)
        else:
            self._metrics.spooled(size)
            self._spooled()
        return yes(request)

    async def _is_believed(self, delivery: Delivery, signature: Signature) -> bool:
        tokens = self._env.tokens
        if signature.is_by(await tokens.tokens(delivery.event_id), delivery.body):
            return True
        # Another process may have registered or rotated this webhook a moment ago.
        return await tokens.reread() and signature.is_by(
            await tokens.tokens(delivery.event_id), delivery.body
        )

    def _other(self, request: web.BaseRequest, path: str) -> web.Response:
        pages = {"/healthz": self._health, "/readyz": self._readiness, "/metrics": self._exposition}
        page = pages.get(path)
        if page is None:
            return _closing(404)
        if request.method not in ("GET", "HEAD"):
            return _closing(405, {"Allow": "GET, HEAD"})
        return page()

    def _health(self) -> web.Response:
        return _page("alive") if self._is_alive() else _page("stuck", status=503)

    def _readiness(self) -> web.Response:
        return _page("ready") if self._is_ready() else _page("not ready", status=503)

    def _exposition(self) -> web.Response:
        return web.Response(
            body=self._metrics.exposition(), headers={**NO_SERVER, "Content-Type": CONTENT_TYPE}
        )

    def _refuse_body(self, refused: BodyRefusal) -> web.Response:
        if refused is BodyRefusal.NO_ROOM:
            return self._try_again("memory")
        return self._refuse(refused.value, refused.name.lower())

    def _refuse(self, status: int, reason: str, headers: dict[str, str] | None = None) -> web.Response:
        self._metrics.refused(reason)
        return _closing(status, headers)

    def _try_again(self, reason: str) -> web.Response:
        self._metrics.shed(reason)
        return _closing(503, {"Retry-After": str(self._limits.retry_after_seconds)})


def _closing(status: int, headers: dict[str, str] | None = None) -> web.Response:
    """An empty answer, after which the connection is closed: its body may not have been read."""
    response = web.Response(status=status, headers=NO_SERVER | (headers or {}))
    response.force_close()
    return response


def _page(text: str, *, status: int = 200) -> web.Response:
    return web.Response(text=text + "\n", status=status, headers=NO_SERVER)
