"""How much the receiver takes on, and how long anything may take."""

from __future__ import annotations

from dataclasses import dataclass

from shared.bus import MAX_MESSAGE_BYTES
from shared.errors import ConfigError

_ROOM_FOR_ATTRIBUTES = 100_000


@dataclass(frozen=True)
class ReceiverLimits:
    """The bounds of a receiver; the defaults suit one instance with one core and 512 MB.

    Sizes are bytes, times seconds. Stopping takes at most about four times `shutdown_seconds`.
    """

    tolerance_seconds: float = 300.0
    """How far a signature's time may be from now, in either direction."""

    body_bytes: int = 4 << 20
    """The largest delivery."""

    body_seconds: float = 10.0
    """From a request's head to the end of its body."""

    bodies_bytes: int = 64 << 20
    """All bodies in memory, from their first byte to the answer."""

    connections: int = 2_048
    """Open connections; fewer when the process may not open as many files."""

    head_seconds: float = 30.0
    """From the connection, or the last answer, to a complete head of a request."""

    replays: int = 50_000
    """Accepted signatures that are remembered."""

    batch_items: int = 500
    batch_bytes: int = 4 << 20
    """Deliveries that are published, or spooled, with one call."""

    lanes: int = 2
    """Calls to the bus, and to the objects, under way at once."""

    publish_seconds: float = 2.0
    """A call to the bus, before the delivery is spooled instead."""

    spool_seconds: float = 3.0
    """A call to the objects, before Productive is asked to try again."""

    first_pause_seconds: float = 1.0
    longest_pause_seconds: float = 15.0
    """How long the bus, or the objects, are left alone after a failure; doubles in between."""

    spool_bytes: int = 1 << 30
    """All spooled deliveries."""

    sweep_seconds: float = 1.0
    """From a delivery in the spool to the first attempt to put it on the bus; doubles while that fails."""

    sweep_idle_seconds: float = 30.0
    """How often to look for what other processes have left in the spool; also the longest wait of a sweep."""

    sweep_call_seconds: float = 10.0
    """One call of a sweep."""

    retry_after_seconds: int = 30
    """What a client is told to wait when it is asked to try again."""

    shutdown_seconds: float = 2.0
    """For requests under way to be answered when the receiver stops, before they are cut off."""

    def __post_init__(self) -> None:
        if not 0 < self.body_bytes <= MAX_MESSAGE_BYTES - _ROOM_FOR_ATTRIBUTES:
            raise ConfigError(
                f"deliveries of up to {self.body_bytes:,} bytes",
                advice=f"A bus takes messages of up to {MAX_MESSAGE_BYTES:,} bytes: choose at most 9 MB.",
            )
        if self.bodies_bytes < 2 * self.body_bytes:
            raise ConfigError(
                "no room in memory for two deliveries", advice="Choose a smaller size of a body."
            )
