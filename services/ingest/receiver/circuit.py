"""A circuit breaker: after a failure others do not wait for the same failure again."""

from __future__ import annotations

from shared.clock import Clock


class Circuit:
    """Closed while calls succeed; after a failure open for a while, then one call at a time may try.

    The while doubles with each failure in a row from `first_seconds` to `longest_seconds`.
    """

    def __init__(self, clock: Clock, *, first_seconds: float, longest_seconds: float) -> None:
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
        self._trying = False
        self._wait_seconds = 0.0

    def failed(self) -> None:
        """A call failed: open, or stay so for longer."""
        now = self._clock.monotonic()
        # Calls that were under way together fail together: that is one failure.
        if self.is_closed or self._trying or self.may_succeed:
            self._wait_seconds = min(max(self._first_seconds, 2 * self._wait_seconds), self._longest_seconds)
            self._opened_at = now
        self._trying = False
