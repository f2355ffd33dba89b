"""A short memory of the deliveries that were accepted, so that the same request again costs nothing.

Productive may not have seen our answer and ask again; and whoever has listened in may try. Forgetting
is harmless: a second acceptance of the same delivery changes nothing in the warehouse.
"""

from __future__ import annotations

from shared.clock import Clock

Key = tuple[int, bytes]
"""The event id and the digest of a verified signature."""


class Replays:
    """Remembers up to `most` keys, each for up to `seconds`; all calls take constant time."""

    def __init__(self, clock: Clock, *, most: int, seconds: float) -> None:
        self._clock = clock
        self._most = most
        self._seconds = seconds
        self._accepted: dict[Key, float] = {}

    def __len__(self) -> int:
        return len(self._accepted)

    def __contains__(self, key: Key) -> bool:
        accepted = self._accepted.get(key)
        return accepted is not None and self._clock.monotonic() - accepted <= self._seconds

    def remember(self, key: Key) -> None:
        """Take note of a delivery that is durable now."""
        now = self._clock.monotonic()
        self._accepted.pop(key, None)
        self._accepted[key] = now
        # Two at the most for each one added: the memory empties itself without ever pausing to do so.
        for _ in range(2):
            oldest = next(iter(self._accepted))
            if len(self._accepted) <= self._most and now - self._accepted[oldest] <= self._seconds:
                break
            del self._accepted[oldest]
