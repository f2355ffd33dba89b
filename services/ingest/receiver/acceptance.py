"""From a verified delivery to a durable one: on the intake bus, else in the spool, else not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from enum import StrEnum

from services.ingest.delivery import Delivery
from services.ingest.receiver.circuit import Circuit
from services.ingest.receiver.gathering import Gathering
from services.ingest.receiver.limits import ReceiverLimits
from services.ingest.receiver.spool import Spool
from shared.bus import Bus, Message
from shared.clock import Clock


class Outcome(StrEnum):
    """What became of a delivery."""

    ACCEPTED = "accepted"
    """It is durable on the intake bus: the normal case."""

    SPOOLED = "spooled"
    """It is durable in the objects; the sweeper will put it on the bus once that takes it."""

    OVERLOADED = "overloaded"
    """Neither took it, as far as we know; Productive must send it again."""


class Acceptance:
    """Deliveries that come together are made durable together, with one call to the bus or the store.

    A call whose outcome is not known counts as failed: the delivery may then be on the bus twice, or in
    both places, which is harmless. No delivery waits longer than a call under way and one of its own.
    """

    def __init__(self, intake: Bus, spool: Spool, clock: Clock, limits: ReceiverLimits) -> None:
        self._intake = intake
        self._spool = spool
        self._limits = limits
        self.intake_circuit = self._circuit("the intake bus", clock)
        self.spool_circuit = self._circuit("the spool", clock)
        self._publishing = Gathering(
            self._publish, max_items=limits.batch_items, max_bytes=limits.batch_bytes, lanes=limits.lanes
        )
        self._spooling = Gathering(
            self._write, max_items=limits.batch_items, max_bytes=limits.batch_bytes, lanes=limits.lanes
        )

    @property
    def is_able(self) -> bool:
        """Whether a delivery that came now had a chance."""
        return self.intake_circuit.may_succeed or (self.spool_circuit.may_succeed and not self._spool.is_full)

    async def accept(self, delivery: Delivery) -> Outcome:
        """Make the delivery durable; never raises because of the bus or the store."""
        size = len(delivery.body)
        if self.intake_circuit.admit() and await self._publishing.submit(delivery.message(), size):
            return Outcome.ACCEPTED
        if not self._spool.reserve(delivery):
            return Outcome.OVERLOADED
        if not self.spool_circuit.admit():
            self._spool.release(delivery)
            return Outcome.OVERLOADED
        return Outcome.SPOOLED if await self._spooling.submit(delivery, size) else Outcome.OVERLOADED

    async def settle(self, *, seconds: float) -> None:
        """Let what is under way end, for up to about twice `seconds`."""
        await asyncio.gather(self._publishing.settle(seconds=seconds), self._spooling.settle(seconds=seconds))

    def _circuit(self, what: str, clock: Clock) -> Circuit:
        return Circuit(
            what,
            clock,
            first_seconds=self._limits.first_pause_seconds,
            longest_seconds=self._limits.longest_pause_seconds,
        )

    async def _publish(self, messages: Sequence[Message]) -> bool:
        circuit = self.intake_circuit
        if not circuit.is_closed and not circuit.is_trying:
            # These waited for a call that failed: they must not wait for another.
            return False
        try:
            async with asyncio.timeout(self._limits.publish_seconds):
                await self._intake.publish(messages)
        except Exception as error:
            # Whatever went wrong, and be it a bug of the bus: the spool may do better.
            circuit.failed(error)
            return False
        circuit.succeeded()
        return True

    async def _write(self, deliveries: Sequence[Delivery]) -> bool:
        circuit = self.spool_circuit
        if not circuit.is_closed and not circuit.is_trying:
            for delivery in deliveries:
                self._spool.release(delivery)
            return False
        try:
            async with asyncio.timeout(self._limits.spool_seconds):
                await self._spool.write(deliveries)
        except Exception as error:
            circuit.failed(error)
            return False
        circuit.succeeded()
        return True
