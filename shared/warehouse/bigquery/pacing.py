"""How long a table's rows wait before they are sent again."""

from __future__ import annotations

import random

from shared.clock import Clock
from shared.warehouse.bigquery.append_settings import AppendSettings


class Pace:
    """Pauses of one table that double with every failure in a row, shortened by chance.

    All that is sent to the table shares them, so that requests which fail together count once.
    """

    def __init__(self, clock: Clock, settings: AppendSettings) -> None:
        self._clock = clock
        self._settings = settings
        self._failures = 0
        self._until = 0.0
        self._last: object = None

    async def wait(self) -> None:
        """Let the pause pass, if there is one."""
        while (left := self._until - self._clock.monotonic()) > 0:
            await self._clock.sleep(left)

    def failed(self, event: object) -> None:
        """Make a pause, unless one is on already or was made for this very event."""
        now = self._clock.monotonic()
        if now < self._until or event is self._last:
            return
        self._last = event
        longest = self._settings.first_wait_seconds * 2 ** min(self._failures, 30)
        chance = random.uniform(0.5, 1.0)  # noqa: S311 -- spreads the load, guards nothing
        self._until = now + min(longest, self._settings.longest_wait_seconds) * chance
        self._failures += 1

    def succeeded(self) -> None:
        """The next failure counts as the first."""
        self._failures = 0
