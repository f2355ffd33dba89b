"""A circuit breaker: after a failure others do not wait for the same failure again."""

from __future__ import annotations

import logging

from shared.clock import Clock

log = logging.getLogger(__name__)


class Circuit:
    """Closed while calls to `what` succeed; after a failure open for a while, then one at a time may try.

    The while doubles with each failure in a row from `first_seconds` to `longest_seconds`. The log tells
    when it opens and when it closes, and nothing in between.
    """

    def __init__(self, what: str, clock: Clock, *, first_seconds: float, longest_seconds: float) -> None:
        self._what = what
        self._clock = clock
        self._first_seconds = first_seconds
        self._longest_seconds = longest_seconds
        self._wait_seconds = 0.0
        self._opened_at = 0.0
        self._trying = False

    @property
    def is_closed(self) -> bool:
        """Whether the last call that ended succeeded (or there was none)."""
        return self._wait_seconds == 0.0

    @property
    def is_trying(self) -> bool:
        """Whether a call was admitted although the last one failed."""
        return self._trying

    @property
    def may_succeed(self) -> bool:
        """Whether nothing is known against a call now; unlike `admit` this promises no call."""
        return self.is_closed or self._clock.monotonic() - self._opened_at >= self._wait_seconds

    def admit(self) -> bool:
        """Whether to make the call; whoever gets True makes it and tells `succeeded` or `failed`."""
        if self.is_closed:
            return True
        if self._trying or not self.may_succeed:
            return False
        self._trying = True
        return True

    def succeeded(self) -> None:
        """A call succeeded: close."""
        if self._wait_seconds:
            log.info("%s works again", self._what)
            self._wait_seconds = 0.0
        self._trying = False

    def failed(self, error: Exception) -> None:
        """A call failed: open, or stay so for longer."""
        if self.is_closed:
            log.warning("%s does not take deliveries: %s", self._what, _told(error))
        # Calls that were under way together fail together: that is one failure.
        if self.may_succeed:
            self._wait_seconds = min(max(self._first_seconds, 2 * self._wait_seconds), self._longest_seconds)
            self._opened_at = self._clock.monotonic()
        self._trying = False


def _told(error: Exception) -> str:
    return "no answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
