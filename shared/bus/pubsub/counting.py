"""What waits, as Cloud Monitoring tells it: the only place where Google does, some minutes late.

`num_undelivered_messages` counts what is not acked, leased or not; all three metrics are documented.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from shared.bus.pubsub.names import Names
from shared.clock import MICROSECONDS, Clock
from shared.errors import IngestError
from shared.google.endpoints import MONITORING, PUBSUB
from shared.google.monitoring import Monitoring

log = logging.getLogger(__name__)

_MESSAGES = "pubsub.googleapis.com/subscription/num_undelivered_messages"
_BYTES = "pubsub.googleapis.com/subscription/backlog_bytes"
_OLDEST = "pubsub.googleapis.com/subscription/oldest_unacked_message_age"


@dataclass(frozen=True, slots=True)
class Counted:
    """What one subscription has; `oldest_us` is None when there is nothing, or nobody knows."""

    messages: int
    bytes: int
    oldest_us: int | None


class Counting:
    """Asks for the backlogs of a bus. An emulator of Pub/Sub has none to ask."""

    def __init__(self, names: Names, clock: Clock) -> None:
        self._names = names
        self._clock = clock
        is_real = PUBSUB.stand_in is None or MONITORING.stand_in is not None
        self._monitoring = Monitoring(names.project, clock) if is_real else None
        self._has_complained = False

    async def of(self, subscription: str) -> Counted | None:
        """What the subscription (its short name) has, None when it cannot be known."""
        if self._monitoring is None:
            return None
        try:
            messages, bytes_, age = await asyncio.gather(
                *(self._latest(metric, subscription) for metric in (_MESSAGES, _BYTES, _OLDEST))
            )
        except IngestError as error:
            if not self._has_complained:
                log.warning("how much waits is not known: %s. %s", error.message, error.advice)
                self._has_complained = True
            return None
        if messages is None:
            return None
        oldest_us = self._clock.now_us() - round(age * MICROSECONDS) if messages and age is not None else None
        return Counted(round(messages), round(bytes_ or 0), oldest_us)

    async def close(self) -> None:
        """Let go of the connection."""
        if self._monitoring is not None:
            await self._monitoring.close()

    async def _latest(self, metric: str, subscription: str) -> float | None:
        if self._monitoring is None:
            return None
        points = await self._monitoring.latest(metric, labels={"subscription_id": subscription})
        return sum(point.value for point in points) if points else None
