"""Keeps a logger that repeats itself to one line a minute."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

_PAUSE_SECONDS: Final = 60.0


class Seldom(logging.Filter):
    """Lets one record through, and no other for a while; the next one says how many were left out."""

    def __init__(self, *, pause: float = _PAUSE_SECONDS, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._pause = pause
        self._now = now
        self._quiet_until = float("-inf")
        self._left_out = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """See `logging.Filter.filter`; may be called from any thread, where a miscount is harmless."""
        now = self._now()
        if now < self._quiet_until:
            self._left_out += 1
            return False
        if self._left_out:
            record.msg = f"{record.getMessage()} ({self._left_out} more like this)"
            record.args = ()
        self._quiet_until, self._left_out = now + self._pause, 0
        return True
