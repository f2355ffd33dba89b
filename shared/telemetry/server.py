"""A small page server for processes that take no webhooks: `/metrics` and `/healthz`."""

from __future__ import annotations

import errno
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from shared.errors import BusyError, ConfigError

_SHUTDOWN_SECONDS: Final = 1.0


@asynccontextmanager
async def serving_metrics(
    host: str, port: int, registry: CollectorRegistry, is_alive: Callable[[], bool]
) -> AsyncIterator[tuple[str, int]]:
    """Serve while the body runs; yields the address. Port 0 takes a free one.

    `/healthz` is 200 while `is_alive`, else 503. `BusyError` for a taken port, `ConfigError` for an address
    that is none. Meant for scrapers and probes, not for the public: there is neither a password nor TLS.
    """

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def health(_: web.Request) -> web.Response:
        alive = is_alive()
        return web.Response(text="alive\n" if alive else "stuck\n", status=200 if alive else 503)

    application = web.Application(client_max_size=1_024)
    application.router.add_get("/metrics", metrics)
    application.router.add_get("/healthz", health)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        await _start(web.TCPSite(runner, host, port), host, port)
        bound_host, bound_port = runner.addresses[0][:2]
        yield bound_host, bound_port
    finally:
        await runner.cleanup()


async def _start(site: web.TCPSite, host: str, port: int) -> None:
    advice = "Set writer.metrics_port to a free port, or to 0 for none."
    try:
        await site.start()
    except socket.gaierror as error:
        raise ConfigError(
            f"there is no address {host!r} to serve metrics on ({error.strerror})",
            advice="Set receiver.host to an address of this machine, or to 0.0.0.0 for all of them.",
        ) from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise BusyError(f"port {port} of {host}, for metrics, is taken", advice=advice) from error
        raise ConfigError(
            f"cannot serve metrics on {host} port {port}: {error.strerror}", advice=advice
        ) from error
