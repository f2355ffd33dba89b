"""Puts spooled deliveries onto the intake bus, oldest first, for as long as the receiver runs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence

from services.ingest.delivery import Delivery
from services.ingest.receiver.circuit import Circuit
from services.ingest.receiver.limits import ReceiverLimits
from services.ingest.receiver.metrics import ReceiverMetrics
from services.ingest.receiver.spool import Spool, UnreadableError
from shared.bus import Bus
from shared.clock import Clock
from shared.errors import IngestError, RecordError, StorageError, UnreachableError

log = logging.getLogger(__name__)

_MOST_FAILURES = 100
_PATIENCE_SECONDS = 120.0


class Sweeper:
    """One object is read, published and only then deleted; several sweepers may do so at once.

    A killed sweeper, or two at once, publish a delivery twice, which is harmless. Publishing here tells the
    circuit of the intake bus, too: when the sweeper gets through, requests need not find out by themselves.
    """

    def __init__(
        self,
        intake: Bus,
        spool: Spool,
        circuit: Circuit,
        clock: Clock,
        *,
        metrics: ReceiverMetrics,
        limits: ReceiverLimits,
    ) -> None:
        self._intake = intake
        self._spool = spool
        self._circuit = circuit
        self._clock = clock
        self._metrics = metrics
        self._limits = limits
        self._woken = asyncio.Event()
        self._beat = clock.monotonic()

    def wake(self) -> None:
        """There is something new in the spool."""
        self._woken.set()

    @property
    def is_alive(self) -> bool:
        """Whether it has made a step lately, were it only to find that it cannot get on."""
        return self._clock.monotonic() - self._beat < _PATIENCE_SECONDS

    async def run(self) -> None:
        """Sweep again and again until cancelled; no error ends it."""
        pause = self._limits.sweep_seconds
        while True:
            self._woken.clear()
            if await self._try_to_sweep():
                pause = self._limits.sweep_seconds
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._limits.sweep_idle_seconds):
                        await self._woken.wait()
            else:
                pause = min(2 * pause, self._limits.sweep_idle_seconds)
            self._beat = self._clock.monotonic()
            await asyncio.sleep(pause)

    async def sweep(self) -> bool:
        """Put all there is onto the bus, once; False when some of it had to stay.

        Stops, with the error of the bus, where the bus does not take it.
        """
        async with asyncio.timeout(_PATIENCE_SECONDS / 4):
            names = await self._spool.names()
        failures = 0
        for name in names:
            self._beat = self._clock.monotonic()
            try:
                await self._sweep(name)
            except _StoreFailedError as failure:
                failures += 1
                if failures == 1:
                    log.warning("the spool: %s: %s", name, failure)
                if failures >= _MOST_FAILURES:
                    break
        return not failures

    async def _try_to_sweep(self) -> bool:
        try:
            return await self.sweep()
        except (IngestError, TimeoutError) as error:
            # The circuit has told the log; the metrics show how much is kept.
            log.debug("sweeping: %s", error)
        except Exception:
            log.exception("sweeping failed")
        return False

    async def _sweep(self, name: str) -> None:
        try:
            async with self._store_call():
                deliveries = await self._spool.read(name)
            if deliveries is None:
                return
            await self._publish(deliveries)
        except (UnreadableError, RecordError) as error:
            log.error("the spool: %s is of no use and is set aside: %s", name, error)  # noqa: TRY400
            async with self._store_call():
                await self._spool.set_aside(name)
            self._metrics.set_aside()
            return
        self._metrics.swept(len(deliveries))
        async with self._store_call():
            await self._spool.remove(name)

    async def _publish(self, deliveries: Sequence[Delivery]) -> None:
        try:
            async with asyncio.timeout(self._limits.sweep_call_seconds):
                await self._intake.publish([delivery.message() for delivery in deliveries])
        except RecordError:
            raise
        except Exception as error:
            self._circuit.failed(error)
            raise
        self._circuit.succeeded()

    @contextlib.asynccontextmanager
    async def _store_call(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._limits.sweep_call_seconds):
                yield
        except (StorageError, UnreachableError, TimeoutError) as error:
            raise _StoreFailedError(str(error) or "no answer in time") from error


class _StoreFailedError(Exception):
    """One object could not be used; the others may do."""
