"""Whether the writer gets on: what it holds, since when, and when something was last confirmed."""

from __future__ import annotations

from typing import Final

from shared.clock import Clock

PATIENCE_SECONDS: Final = 600.0
"""How long the writer may hold messages without any of them being confirmed; longer than any write takes."""


class Progress:
    """Told by the writer what it does. A write that hangs is stuck; an idle writer is not.

    Nor is one whose warehouse was away: it gives back what it had taken, and is stuck only if it goes on
    taking and confirms nothing for the whole patience (then its connection may be what is broken, which
    a restart mends).
    """

    def __init__(self, clock: Clock, *, patience: float = PATIENCE_SECONDS) -> None:
        self._clock = clock
        self._patience = patience
        self._round_at = self._took_at = clock.monotonic()
        self._unconfirmed_since: float | None = None
        self._gathering_since: float | None = None
        self._writing_since: float | None = None

    def came_round(self) -> None:
        """The loop looked at the bus, whether or not anything was there."""
        self._round_at = self._clock.monotonic()

    def took(self) -> None:
        """A message was taken into the batch that is being gathered."""
        self._took_at = now = self._clock.monotonic()
        if self._gathering_since is None:
            self._gathering_since = now
        if self._unconfirmed_since is None:
            self._unconfirmed_since = now

    def began(self) -> None:
        """What was gathered is being written now."""
        self._writing_since, self._gathering_since = self._gathering_since, None

    def ended(self) -> None:
        """Nothing is being written any more, whatever came of it."""
        self._writing_since = None

    def confirmed(self) -> None:
        """A message is done with: written, or set aside."""
        held = self._writing_since is not None or self._gathering_since is not None
        self._unconfirmed_since = self._clock.monotonic() if held else None

    @property
    def oldest_held_seconds(self) -> float:
        """For how long the oldest message held has been; 0 when none is."""
        oldest = self._gathering_since if self._writing_since is None else self._writing_since
        return 0.0 if oldest is None else self._clock.monotonic() - oldest

    @property
    def is_alive(self) -> bool:
        """Whether there is any point in letting it go on."""
        now = self._clock.monotonic()
        if self._writing_since is None and now - self._round_at > self._patience:
            return False
        if self._unconfirmed_since is None or now - self._unconfirmed_since <= self._patience:
            return True
        holds = self._writing_since is not None or self._gathering_since is not None
        return not holds and now - self._took_at > self._patience
