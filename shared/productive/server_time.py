"""Productive's budget of processing time on its servers, as far as it can be seen from outside.

The guide on rate limits gives every organization 30 minutes of processing per clock hour and 6 hours per
UTC day, over all that use its API; includes and wide reports cost the most. No answer says how much is
used. So this is an estimate: it knows only this process's requests, and takes the time of one from the
header `X-Runtime` (seconds) when there is one, else from the wait for the answer's head, less the shortest
wait seen so far, which must have been mostly the network's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from shared.clock import MICROSECONDS
from shared.productive.server_clock import ServerClock

_HOUR = 3_600
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class ServerTimePolicy:
    """The budget as data: seconds of processing per hour and day, and the share of them we use up."""

    per_hour: float = 30 * 60.0
    per_day: float = 6 * 3_600.0
    share: float = 0.9

    def scaled(self, factor: float) -> ServerTimePolicy:
        """The same periods with `factor` times the budget."""
        return replace(self, per_hour=self.per_hour * factor, per_day=self.per_day * factor)


class ServerTime:
    """Adds up what our requests cost, and says when to pause."""

    def __init__(self, policy: ServerTimePolicy, clock: ServerClock) -> None:
        self._policy = policy
        self._clock = clock
        self._fastest = math.inf
        self._hour, self._day = self._periods()
        self.used_this_hour = 0.0
        self.used_today = 0.0

    def add(self, *, elapsed: float, runtime_header: str | None) -> None:
        """Account one answer; `elapsed` is seconds from sending to the head of the answer."""
        self._turn()
        self._fastest = min(self._fastest, elapsed)
        seconds = _seconds(runtime_header)
        if seconds is None:
            seconds = elapsed - self._fastest
        self.used_this_hour += seconds
        self.used_today += seconds

    def pause(self) -> float:
        """Seconds to wait before the next request, for the estimate's sake; 0 nearly always."""
        self._turn()
        if self.used_today >= self._policy.per_day * self._policy.share:
            return self.until_next_day()
        if self.used_this_hour >= self._policy.per_hour * self._policy.share:
            return self.until_next_hour()
        return 0.0

    def until_next_hour(self) -> float:
        """Seconds to the next full hour on Productive's clock."""
        return _HOUR - self._now() % _HOUR

    def until_next_day(self) -> float:
        """Seconds to the next midnight UTC on Productive's clock."""
        return _DAY - self._now() % _DAY

    def _turn(self) -> None:
        hour, day = self._periods()
        if hour != self._hour:
            self._hour, self.used_this_hour = hour, 0.0
        if day != self._day:
            self._day, self.used_today = day, 0.0

    def _periods(self) -> tuple[int, int]:
        now = self._now()
        return int(now // _HOUR), int(now // _DAY)

    def _now(self) -> float:
        return self._clock.now_us() / MICROSECONDS


def _seconds(header: str | None) -> float | None:
    try:
        seconds = float(header) if header else math.nan
    except ValueError:
        return None
    return seconds if 0.0 <= seconds < _DAY else None
