"""A delivery on its way, what became of each attempt, and how many there were."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from services.sandbox.webhooks.events import Event


@dataclass(slots=True)
class Delivery:
    """A body for one webhook. `attempt` is 0 for the first, and grows."""

    number: int
    webhook_id: str
    event: Event
    table: str
    id: str
    changed_us: int
    body: bytes = field(repr=False)
    attempt: int = 0


class Attempt(NamedTuple):
    """One try to deliver. `status` is None when there was no answer; times are in microseconds."""

    webhook_id: str
    event_id: int
    table: str
    id: str
    attempt: int
    status: int | None
    changed_us: int
    sent_us: int

    @property
    def delivered(self) -> bool:
        """Whether the receiver said yes."""
        return self.status is not None and 200 <= self.status < 300


@dataclass
class Counters:
    """What has been sent since the start; each delivery ends as delivered, given up or withdrawn."""

    queued: int = 0
    duplicates: int = 0
    """Of those, how many were second ones on purpose."""
    dropped: int = 0
    """Never queued, because too many were waiting."""
    attempts: int = 0
    failures: int = 0
    """Attempts without a yes."""
    delivered: int = 0
    given_up: int = 0
    """Failed to the last retry."""
    withdrawn: int = 0
    """Not sent any more, because the webhook had been removed or switched off."""
