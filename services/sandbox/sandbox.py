"""A running sandbox: a world, and a server on a socket of this machine."""

from __future__ import annotations

import asyncio
from types import TracebackType

from aiohttp import web

from services.sandbox.faults import Faults
from services.sandbox.lists import Lists
from services.sandbox.organization import Organization
from services.sandbox.render import Renderer
from services.sandbox.schema import load_schema
from services.sandbox.server import ROOT, RequestLog, Server
from services.sandbox.settings import SandboxSettings
from services.sandbox.webhooks.dispatcher import Dispatcher
from services.sandbox.webhooks.endpoint import WebhookEndpoint
from services.sandbox.world import build
from shared.clock import Clock, SystemClock

_SHUTDOWN_SECONDS = 1.0


class Sandbox:
    """`async with Sandbox(SandboxSettings(seed=1)) as sandbox:` serves at `sandbox.url` until it ends.

    What `sandbox.organization` holds can be changed meanwhile; `sandbox.webhooks` tells whoever registered.
    """

    organization: Organization
    webhooks: Dispatcher

    def __init__(self, settings: SandboxSettings | None = None, *, clock: Clock | None = None) -> None:
        self.settings = settings or SandboxSettings()
        self.faults = Faults()
        self._clock = clock or SystemClock()
        self._origin = ""
        self._server: Server | None = None
        self._runner: web.ServerRunner | None = None

    @property
    def url(self) -> str:
        """The API's root, without a slash at the end."""
        return f"{self._origin}{ROOT}"

    @property
    def token(self) -> str:
        """The one valid API token."""
        return self.settings.token

    @property
    def organization_id(self) -> str:
        """The id of the one organization."""
        return str(self.organization.home.id)

    @property
    def requests(self) -> list[RequestLog]:
        """The last requests, oldest first (as many as `settings.log_size`)."""
        return list(self._server.log) if self._server else []

    def forget_requests(self) -> None:
        """Empty the log."""
        if self._server:
            self._server.log.clear()

    async def start(self) -> None:
        """Build the world, unless it is there, and listen."""
        if not hasattr(self, "organization"):
            self.organization = await asyncio.to_thread(build, self.settings, self._clock)
        schema = load_schema()
        if not hasattr(self, "webhooks"):
            self.webhooks = self._dispatcher()
        renderer = Renderer(self.organization, schema, self.faults)
        self._server = Server(
            self.settings,
            organization_id=self.organization_id,
            schema=schema,
            lists=Lists(self.organization, renderer, self.faults, newest_first=self.settings.newest_first),
            webhooks=WebhookEndpoint(self.organization, seed=self.settings.seed),
            faults=self.faults,
            clock=self._clock,
        )
        # A client that gives up must end its handler, or a hanging request would outlive the server.
        self._runner = web.ServerRunner(
            web.Server(self._server.handle, handler_cancellation=True), shutdown_timeout=_SHUTDOWN_SECONDS
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.settings.host, self.settings.port)
        await site.start()
        port = self._runner.addresses[0][1]
        self._origin = self._server.origin = f"http://{self.settings.host}:{port}"
        await self.webhooks.start()

    def _dispatcher(self) -> Dispatcher:
        limits = self.settings.limits
        return Dispatcher(
            self.organization,
            load_schema(),
            self.settings.webhooks,
            seed=self.settings.seed,
            time_scale=limits.time_scale if limits else 1.0,
            clock=self._clock,
        )

    async def stop(self) -> None:
        """Stop listening and end all connections. The organization stays readable."""
        if hasattr(self, "webhooks"):
            await self.webhooks.stop()
        if self._server:
            self._server.stopping.set()
        if self._runner:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Sandbox:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
