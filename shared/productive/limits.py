"""Productive's limits on requests, kept on our side for all windows at once.

The windows are documented in Productive's guide on rate limits: 100 requests in 10 seconds for a token,
4,000 in 30 minutes for an organization, 10 in 30 seconds for reports; its API description adds 30 in
2 minutes for salaries.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

from shared.clock import Clock

Family = Literal["reports", "salaries"]
"""The endpoints with a limit of their own, beside the general ones."""

_DRIFT = 0.001
"""Every window is held this share longer: two machines' clocks never run at quite the same speed."""

_TICK = 0.001
"""Seconds; timers may fire a rounding error early, and sleeping for a rounding error would be a busy loop."""


@dataclass(frozen=True, slots=True)
class WindowLimit:
    """At most `requests` in any span of `seconds`; counted for `family` only, or for everything (None)."""

    name: str
    requests: int
    seconds: float
    family: Family | None = None


@dataclass(frozen=True, slots=True)
class LimitPolicy:
    """The limits as data. `concurrency` bounds the requests that are under way at one time."""

    windows: tuple[WindowLimit, ...] = (
        WindowLimit("token", 100, 10.0),
        WindowLimit("organization", 4_000, 1_800.0),
        WindowLimit("reports", 10, 30.0, family="reports"),
        WindowLimit("salaries", 30, 120.0, family="salaries"),
    )
    concurrency: int = 8

    def scaled(self, factor: float) -> LimitPolicy:
        """The same counts in windows `factor` times as long (a demo's sandbox runs faster than life)."""
        return replace(self, windows=tuple(replace(w, seconds=w.seconds * factor) for w in self.windows))

    @property
    def shortest_window(self) -> float:
        """Seconds; how long to pause after a refusal that does not say how long."""
        return min((window.seconds for window in self.windows), default=0.0)


class Budget(NamedTuple):
    """What is left of one window right now."""

    name: str
    left: int
    limit: int


class _Window:
    """One sliding window as the server may see it, at worst.

    The server counts a request at a moment that we cannot know, between sending it and its answer. So a
    request counts here from its permit until `seconds` after its answer arrived.
    """

    def __init__(self, limit: WindowLimit) -> None:
        self.limit = limit
        self._held = limit.seconds * (1.0 + _DRIFT)
        self._under_way = 0
        self._answered: deque[float] = deque()

    def free_in(self, now: float, reserve: float) -> float:
        """Seconds until a permit can be given; infinite when that depends on an answer first."""
        self._expire(now)
        usable = max(1, self.limit.requests - math.ceil(self.limit.requests * reserve))
        excess = self._under_way + len(self._answered) + 1 - usable
        if excess <= 0:
            return 0.0
        if excess > len(self._answered):
            return math.inf
        return max(self._answered[excess - 1] + self._held - now, 0.0)

    def left(self, now: float) -> int:
        self._expire(now)
        return max(0, self.limit.requests - self._under_way - len(self._answered))

    def take(self) -> None:
        self._under_way += 1

    def answered(self, now: float) -> None:
        self._under_way -= 1
        self._answered.append(now)

    def _expire(self, now: float) -> None:
        while self._answered and self._answered[0] + self._held <= now:
            self._answered.popleft()


@dataclass(eq=False, slots=True)
class _Lane:
    """Requests with the same needs; they are served in the order in which they came."""

    windows: list[_Window]
    reserve: float
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    ticket: int | None = None
    """When its first request came to the front; None while nobody waits there."""


class Permit:
    """Leave to send one request."""

    def __init__(self, limiter: Limiter, lane: _Lane) -> None:
        self._limiter = limiter
        self._lane = lane
        self._open = True

    def answered(self) -> None:
        """The server has counted the request: its status line is here, or it will never come."""
        if self._open:
            self._open = False
            self._limiter._answered(self._lane)


class Limiter:
    """Gives permits so that no window of the policy can be exceeded, whatever the network's delays.

    One limiter serves everything that uses one token in one process. Requests of one kind are served
    in their order; a kind that must wait for its own window holds up nobody else. All of it lives on
    one event loop.
    """

    def __init__(self, policy: LimitPolicy, clock: Clock) -> None:
        self.policy = policy
        self._clock = clock
        self._windows = [_Window(limit) for limit in policy.windows]
        self._lanes: dict[tuple[Family | None, float], _Lane] = {}
        self._tickets = itertools.count()
        self._slots = max(1, policy.concurrency)
        self._held_until = -math.inf
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def permit(self, family: Family | None = None, *, reserve: float = 0.0) -> AsyncIterator[Permit]:
        """Wait for leave to send one request, and hold it until the request is over.

        `reserve` is the share of every window (0 up to, not including, 1) that this request leaves to
        those that reserve less. Call `Permit.answered` as soon as the status line is here.
        """
        lane = self._lane(family, reserve)
        await self._enter(lane)
        permit = Permit(self, lane)
        try:
            yield permit
        finally:
            permit.answered()
            self._slots += 1
            self._notify()

    def hold(self, seconds: float) -> None:
        """Send nothing for `seconds`: the server said so."""
        self._held_until = max(self._held_until, self._clock.monotonic() + seconds)

    def held_for(self) -> float:
        """Seconds that are left of a hold; 0 when there is none."""
        return max(0.0, self._held_until - self._clock.monotonic())

    def budget_left(self) -> tuple[Budget, ...]:
        """How many requests each window would take right now."""
        now = self._clock.monotonic()
        return tuple(Budget(w.limit.name, w.left(now), w.limit.requests) for w in self._windows)

    def pace(self) -> float:
        """Seconds between two requests at which no general window runs out; 0 while each has a half left.

        For those who can make do with fewer requests by waiting: a full window makes all wait for its end.
        The less is left the slower it gets, so that what is left never ends; it comes to two thirds of what
        the limits allow.
        """
        now = self._clock.monotonic()
        left = {window.limit: window.left(now) for window in self._windows if window.limit.family is None}
        scarce = {limit: count for limit, count in left.items() if 2 * count < limit.requests}
        return max((limit.seconds / (2 * max(1, count)) for limit, count in scarce.items()), default=0.0)

    def _lane(self, family: Family | None, reserve: float) -> _Lane:
        if not 0.0 <= reserve < 1.0:
            raise ValueError("a reserve is a share from 0 up to, not including, 1")
        key = (family, reserve)
        if key not in self._lanes:
            windows = [w for w in self._windows if w.limit.family in {None, family}]
            self._lanes[key] = _Lane(windows, reserve)
        return self._lanes[key]

    async def _enter(self, lane: _Lane) -> None:
        async with lane.turn:
            lane.ticket = next(self._tickets)
            try:
                while not self._may_go(lane):
                    await self._wait(lane)
                self._slots -= 1
                for window in lane.windows:
                    window.take()
            finally:
                lane.ticket = None
                self._notify()

    def _may_go(self, lane: _Lane) -> bool:
        """Whether nothing holds the first of `lane` back, and nobody older waits for the same slot."""
        ready = (
            other
            for other in self._lanes.values()
            if other.ticket is not None and self._slots > 0 and self._free_in(other) <= 0.0
        )
        return min(ready, key=lambda other: other.ticket or 0, default=None) is lane

    def _free_in(self, lane: _Lane) -> float:
        now = self._clock.monotonic()
        return max(
            self._held_until - now, *(window.free_in(now, lane.reserve) for window in lane.windows), 0.0
        )

    async def _wait(self, lane: _Lane) -> None:
        """Wait for the moment that is known, else for the next change.

        Sleeping through changes is safe: no answer can free a full window earlier than the oldest
        answers in it do.
        """
        seconds = self._free_in(lane)
        if 0.0 < seconds < math.inf:
            await self._clock.sleep(max(seconds, _TICK))
        else:
            await self._changed.wait()

    def _answered(self, lane: _Lane) -> None:
        now = self._clock.monotonic()
        for window in lane.windows:
            window.answered(now)
        self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
