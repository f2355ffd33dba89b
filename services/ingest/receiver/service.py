"""A running receiver: a socket, the guard of its connections, and the sweeper."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
from types import TracebackType

from services.ingest.receiver.acceptance import Acceptance
from services.ingest.receiver.bodies import Bodies
from services.ingest.receiver.environment import ReceiverEnvironment
from services.ingest.receiver.guard import Guard, connections_for
from services.ingest.receiver.server import Handler
from services.ingest.receiver.spool import Spool
from services.ingest.receiver.sweeper import Sweeper
from shared.errors import BusyError, ConfigError, IngestError

log = logging.getLogger(__name__)

_BACKLOG = 256


class Receiver:
    """`await start()`, then `await run()` until somebody calls `stop()`; or `async with Receiver(env):`."""

    def __init__(self, env: ReceiverEnvironment) -> None:
        self._env = env
        self._spool = Spool(env.objects, env.clock, max_bytes=env.limits.spool_bytes)
        self._acceptance = Acceptance(env.intake, self._spool, env.clock, env.limits)
        self._stopping = asyncio.Event()
        self._guard: Guard | None = None
        self._listener: asyncio.Server | None = None
        self._sweeper: Sweeper | None = None
        self._sweeping: asyncio.Task[None] | None = None

    @property
    def is_ready(self) -> bool:
        """Whether a delivery that came now could be made durable."""
        return not self._stopping.is_set() and self._acceptance.is_able

    @property
    def is_alive(self) -> bool:
        """Whether the work in the background gets on; the event loop shows that by asking this."""
        sweeper, task = self._sweeper, self._sweeping
        sweeps = sweeper is not None and task is not None and not task.done() and sweeper.is_alive
        return sweeps and self._env.also_alive()

    async def start(self) -> tuple[str, int]:
        """Listen; returns the address. `BusyError` for a taken port, `ConfigError` for a bad address."""
        env = self._env
        bodies = Bodies(env.limits)
        sweeper = Sweeper(
            env.intake,
            self._spool,
            self._acceptance.intake_circuit,
            env.clock,
            metrics=env.metrics,
            limits=env.limits,
        )
        handler = Handler(
            env,
            self._acceptance,
            bodies,
            spooled=sweeper.wake,
            is_alive=lambda: self.is_alive,
            is_ready=lambda: self.is_ready,
        )
        guard = Guard(
            handler.handle, most=connections_for(env.limits), metrics=env.metrics, limits=env.limits
        )
        handler.guard = guard
        with contextlib.suppress(IngestError, TimeoutError):
            # How much a run before this one left; the sweeper counts again.
            async with asyncio.timeout(env.limits.spool_seconds):
                await self._spool.names()
        self._listener = await _listen(guard, env.host, env.port)
        self._guard, self._sweeper = guard, sweeper
        self._sweeping = asyncio.create_task(sweeper.run())
        env.metrics.watch(
            connections=lambda: len(guard),
            bodies=lambda: bodies.held,
            intake_up=lambda: self._acceptance.intake_circuit.is_closed,
            spool_up=lambda: self._acceptance.spool_circuit.is_closed,
            spool=lambda: self._spool.bytes,
        )
        host, port = self._listener.sockets[0].getsockname()[:2]
        return host, port

    async def run(self) -> None:
        """Serve until `stop`, then end in an orderly way; starts first if that was not done."""
        if self._listener is None:
            await self.start()
        try:
            await self._stopping.wait()
        finally:
            await self.close()

    def stop(self) -> None:
        """Be not ready any more, and have `run` return soon."""
        self._stopping.set()

    async def close(self) -> None:
        """Stop accepting, answer what is under way, and let go, in under 9 s whatever clients do."""
        self._stopping.set()
        seconds = self._env.limits.shutdown_seconds
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()
        guard, self._guard = self._guard, None
        if guard is not None:
            # One turn of the loop, so that requests that have come are begun before idle connections go.
            await asyncio.sleep(0)
            guard.pre_shutdown()
            await guard.shutdown(seconds)
        sweeping, self._sweeping = self._sweeping, None
        if sweeping is not None:
            sweeping.cancel()
            await asyncio.wait([sweeping], timeout=seconds / 2)
        await self._acceptance.settle(seconds=seconds / 2)

    async def __aenter__(self) -> Receiver:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


async def _listen(guard: Guard, host: str, port: int) -> asyncio.Server:
    try:
        return await asyncio.get_running_loop().create_server(guard, host, port, backlog=_BACKLOG)
    except socket.gaierror as error:
        raise ConfigError(
            f"there is no address {host!r} to listen on ({error.strerror})",
            advice="Set receiver.host to an address of this machine, or to 0.0.0.0 for all of them.",
        ) from error
    except OverflowError as error:
        raise ConfigError(f"there is no port {port}", advice="Choose one from 0 to 65535.") from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise BusyError(
                f"port {port} of {host} is taken",
                advice="Another receiver, or another program, listens there: end it, or set receiver.port.",
            ) from error
        advice = "Set receiver.host to an address of this machine, or to 0.0.0.0 for all of them."
        if error.errno == errno.EACCES:
            advice = "Ports below 1024 are for root: set receiver.port to a higher one."
        raise ConfigError(f"cannot listen on {host} port {port}: {error.strerror}", advice=advice) from error
