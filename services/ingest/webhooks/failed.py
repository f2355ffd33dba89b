"""Deliveries that Productive could not make, from its own log, back onto the intake bus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from services.ingest.delivery import Delivery
from services.ingest.webhooks.environment import ReplayEnvironment
from services.ingest.webhooks.logs import Try, tries
from shared.errors import ProtocolError
from shared.productive import Unavailable
from shared.record.codec import MESSAGE_LIMIT

_HELD_BYTES: Final = 32 << 20
"""How much is held back to see whether a later try succeeded; beyond it everything is published, which
costs a delivery that is not needed and does no harm."""

_MOST_MESSAGES: Final = 500


@dataclass(slots=True)
class Failed:
    """What the log gave: `published` deliveries, and `delivered` by Productive itself in the end.

    `unreadable` are tries without a payload that could be a delivery; `problem` says why the log could
    not be read.
    """

    published: int = 0
    delivered: int = 0
    unreadable: int = 0
    problem: str = ""


async def replay_failed(env: ReplayEnvironment, since_us: int) -> Failed:
    """Publish each delivery to us that was tried after `since_us` and never succeeded, once.

    Raises what the client and the intake bus raise, but `ProtocolError`; what was published before
    holds, and again is harmless.
    """
    replay = _Replay(env)
    try:
        async for found in tries(env.client, env.catalog, since_us):
            if isinstance(found, Unavailable):
                replay.found.problem = found.reason
            else:
                await replay.take(found)
    except ProtocolError as error:
        replay.found.problem = error.message
    await replay.publish_all()
    return replay.found


class _Replay:
    """The deliveries by job: all tries seen before the first is published, unless they are too many."""

    def __init__(self, env: ReplayEnvironment) -> None:
        self._env = env
        self._waiting: dict[str, Delivery] = {}
        self._settled: set[str] = set()
        self._bytes = 0
        self.found = Failed()

    async def take(self, one: Try) -> None:
        """See to one try, whatever order they come in."""
        if one.delivered:
            self._drop(one.job)
            self.found.delivered += one.job not in self._settled
            self._settled.add(one.job)
        elif one.body is None or len(one.body) > MESSAGE_LIMIT:
            self.found.unreadable += 1
        elif one.job not in self._settled:
            before = self._waiting.get(one.job)
            if before is None or one.sent_us < before.received_us:
                self._drop(one.job)
                self._waiting[one.job] = Delivery(one.place.event_id, one.sent_us, one.body)
                self._bytes += len(one.body)
            if self._bytes > _HELD_BYTES:
                await self.publish_all()

    async def publish_all(self) -> None:
        """Publish what waits, the oldest first."""
        waiting = sorted(self._waiting.values(), key=lambda delivery: delivery.received_us)
        for start in range(0, len(waiting), _MOST_MESSAGES):
            messages = [delivery.message() for delivery in waiting[start : start + _MOST_MESSAGES]]
            await self._env.intake.publish(messages)
        self.found.published += len(waiting)
        self._settled.update(self._waiting)
        self._waiting.clear()
        self._bytes = 0

    def _drop(self, job: str) -> None:
        before = self._waiting.pop(job, None)
        self._bytes -= len(before.body) if before else 0
