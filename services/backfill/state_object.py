"""One object with a state that one process leads at a time, written no more often than its store allows."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

from shared.clock import Clock
from shared.errors import BusyError
from shared.objects.port import Generation, Objects

log = logging.getLogger(__name__)
State = TypeVar("State", bound=msgspec.Struct)

_TRIES = 3
_DOUBTFUL = 16


class StateObject:
    """Reads and writes a state by compare-and-set, so that two processes cannot both believe that they lead.

    `before` is called before each write: for what has to be safe first. Not for concurrent use.
    """

    def __init__(
        self, objects: Objects, name: str, clock: Clock, before: Callable[[], Awaitable[None]]
    ) -> None:
        self._objects = objects
        self._name = name
        self._clock = clock
        self._before = before
        self._known = False
        self._generation: Generation | None = None
        self._waiting: msgspec.Struct | None = None
        self._waits_since: float | None = None
        self._written: float | None = None
        self._doubtful: deque[bytes] = deque(maxlen=_DOUBTFUL)

    async def read(self, type_: type[State]) -> State | None:
        """What is stored, None when that is nothing or makes no sense. Nothing waits after that."""
        self._waiting = None
        stored = await self._objects.read(self._name)
        self._take(stored.generation if stored else None)
        if stored is None:
            return None
        try:
            return msgspec.json.decode(stored.data, type=type_)
        except msgspec.MsgspecError as error:
            log.warning("the checkpoint %s cannot be read (%s); starting it anew", self._name, error)
            return None

    async def write(self, state: msgspec.Struct, *, may_wait: bool = False) -> None:
        """Replace the state that was read or written last; `BusyError` when somebody else has done so.

        With `may_wait` the state is only kept in mind while it would come too soon after the last write (or
        after the first one that waits); it is written in place of it with the next that comes late enough,
        that may not wait, or by `flush`. Else a write that would come too soon waits.
        """
        pace = self._objects.least_seconds_between_writes
        now = self._clock.monotonic()
        if pace and may_wait:
            self._waiting = state
            self._waits_since = now if self._waits_since is None else self._waits_since
            if now < (self._waits_since if self._written is None else self._written) + pace:
                return
        elif pace and self._written is not None and now < self._written + pace:
            await self._clock.sleep(self._written + pace - now)
        await self._before()
        await self._replace(msgspec.json.encode(state))
        self._waiting = None
        self._written = self._clock.monotonic()

    async def flush(self) -> None:
        """Write what waits to be written, if anything does."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            await self.write(waiting)

    def forget(self) -> None:
        """Somebody has deleted the object, or is about to: nothing is known of it any more."""
        self._waiting, self._known = None, False

    async def _replace(self, data: bytes) -> None:
        if not self._known:
            stored = await self._objects.read(self._name)
            self._take(stored.generation if stored else None)
        for _ in range(_TRIES):
            try:
                generation = await self._objects.compare_and_set(self._name, data, self._generation)
            except BaseException:
                # Its answer may be all that was lost; then the next write finds our own state there.
                self._doubtful.append(data)
                raise
            if generation is not None:
                self._take(generation)
                return
            if not await self._is_our_own():
                break
        raise BusyError("another run has taken over this crawl; this one has stopped")

    async def _is_our_own(self) -> bool:
        """Whether what is stored is what we tried to write; then the next try replaces that."""
        stored = await self._objects.read(self._name) if self._doubtful else None
        if stored is None or stored.data not in self._doubtful:
            return False
        self._generation = stored.generation
        return True

    def _take(self, generation: Generation | None) -> None:
        self._known, self._generation = True, generation
        self._doubtful.clear()
