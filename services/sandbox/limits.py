"""The rate limits of the API, enforced exactly, on a clock of our own choosing.

Documented in Productive's guide on rate limits: 100 requests in 10 s per token, 4,000 in 30 min per
organization, 10 in 30 s for reports, and server time of 30 min per clock hour and 6 h per day; its API
description adds 30 in 2 min for salaries. What a request costs in server time is not documented: the
figures here are estimates. Refused requests are not counted.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from services.sandbox.problems import Problem
from shared.clock import MICROSECONDS, Clock


@dataclass(frozen=True, kw_only=True)
class Window:
    """At most `limit` requests in any `period` seconds."""

    limit: int
    period: float


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits to enforce. `time_scale` 100 makes every period 100 times shorter.

    Server time is in seconds, and the costs are what a request, a record and an included record take of it.
    """

    token: Window = Window(limit=100, period=10)
    organization: Window = Window(limit=4_000, period=1_800)
    reports: Window = Window(limit=10, period=30)
    salaries: Window = Window(limit=30, period=120)
    server_time_per_hour: float = 1_800
    server_time_per_day: float = 21_600
    cost_per_request: float = 0.04
    cost_per_record: float = 0.0004
    cost_per_included: float = 0.0001
    time_scale: float = 1.0


@dataclass
class _Sliding:
    """The times of the last admitted requests of one window."""

    window: Window
    scale: float
    admitted: deque[float] = field(default_factory=deque)

    def wait(self, now: float) -> float:
        """Seconds until one more request fits; 0 when it does now."""
        period = self.window.period / self.scale
        while self.admitted and self.admitted[0] <= now - period:
            self.admitted.popleft()
        if len(self.admitted) < self.window.limit:
            return 0.0
        return self.admitted[-self.window.limit] + period - now


@dataclass
class _Budget:
    """Server time of the current clock hour or day; empty again when the next one begins."""

    limit: float
    period: float
    scale: float
    current: int = -1
    spent: float = 0.0

    def wait(self, now: float) -> float:
        """Seconds until the next period when nothing is left in this one, else 0."""
        length = self.period / self.scale
        if (index := int(now // length)) != self.current:
            self.current, self.spent = index, 0.0
        return 0.0 if self.spent < self.limit else (index + 1) * length - now


class Gate:
    """Admits requests, or says in a `Problem` how long to wait."""

    def __init__(self, limits: Limits | None, clock: Clock) -> None:
        self._limits = limits
        self._clock = clock
        if limits is None:
            return
        scale = limits.time_scale
        self._windows = {
            name: _Sliding(getattr(limits, name), scale)
            for name in ("token", "organization", "reports", "salaries")
        }
        self._budgets = (
            _Budget(limits.server_time_per_hour, 3_600, scale),
            _Budget(limits.server_time_per_day, 86_400, scale),
        )

    def admit(self, family: str | None) -> None:
        """Count one request, of a family with a limit of its own or not; raises the 429 when one is full."""
        if self._limits is None:
            return
        now = self._clock.monotonic()
        wall = self._clock.now_us() / MICROSECONDS
        for budget in self._budgets:
            if wait := budget.wait(wall):
                raise self._refusal("Server time limit exceeded", int(budget.limit), budget.period, wait)
        windows = [self._windows["token"], self._windows["organization"]]
        if family in self._windows:
            windows.append(self._windows[family])
        wait, full = max(((window.wait(now), window) for window in windows), key=lambda pair: pair[0])
        if wait > 0:
            raise self._refusal("Too many requests", full.window.limit, full.window.period, wait)
        for window in windows:
            window.admitted.append(now)

    def spend(self, *, records: int, included: int) -> None:
        """Charge the server time of an answered request."""
        if self._limits is None:
            return
        cost = (
            self._limits.cost_per_request
            + records * self._limits.cost_per_record
            + included * self._limits.cost_per_included
        )
        for budget in self._budgets:
            budget.spent += cost

    def _refusal(self, title: str, limit: int, period: float, wait: float) -> Problem:
        scale = self._limits.time_scale if self._limits else 1.0
        return too_many(title, limit=limit, period=period, wait=wait, whole_seconds=scale == 1)


def too_many(title: str, *, limit: int, period: float, wait: float, whole_seconds: bool) -> Problem:
    """The 429. The header tells whole seconds; only with shortened periods it tells thousandths."""
    reset = str(math.ceil(wait)) if whole_seconds else f"{math.ceil(wait * 1000) / 1000:.3f}"
    return Problem(
        429,
        "too_many_requests",
        title,
        f"Limit of {limit} per {period:g} seconds exceeded",
        meta={"limit": limit, "period": period},
        headers={"X-RateLimit-Reset": reset},
    )
