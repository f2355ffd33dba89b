"""Everything the receiver may touch, built once by whoever starts it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from services.ingest.receiver.limits import ReceiverLimits
from services.ingest.receiver.metrics import ReceiverMetrics
from shared.bus import Bus
from shared.clock import Clock
from shared.objects import Objects
from shared.secrets import Secret


class Tokens(Protocol):
    """The webhooks' signature tokens. Both calls raise `IngestError` when the store cannot be used."""

    async def tokens(self, event_id: int) -> Sequence[Secret]:
        """All that are valid for this event's webhook now; quick, as it is asked for each delivery."""
        ...

    async def reread(self) -> bool:
        """Look whether others have changed them, not more often than is good; True when something changed."""
        ...


@dataclass(frozen=True)
class ReceiverEnvironment:
    """The receiver's world. `objects` holds the spool; `intake` and `objects` stay open when it stops.

    `now_us` is the time on Productive's clock as far as it is known, microseconds since 1970 UTC; by
    default that of `clock`. Port 0 takes a free one. `also_alive` is asked for the health of what else runs
    in the process, such as the reading of what was received.
    """

    intake: Bus
    objects: Objects
    tokens: Tokens
    clock: Clock
    metrics: ReceiverMetrics = field(default_factory=ReceiverMetrics)
    limits: ReceiverLimits = field(default_factory=ReceiverLimits)
    host: str = "127.0.0.1"
    port: int = 8080
    now_us: Callable[[], int] | None = None
    also_alive: Callable[[], bool] = lambda: True
