"""Objects that may not be written as often as one likes, as those in a bucket."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, Literal

from shared.clock import Clock
from shared.errors import UnreachableError
from shared.objects import Generation, Objects, StoredObject

Trouble = Literal["before", "after"] | None


class PacedObjects:
    """Fails the test when a name is written twice within `pace` seconds.

    `written` has the names in order, `listed` the prefixes that were asked for.

    `coming` says how the next conditional writes end: "before" and "after" they are carried out there is no
    answer. Leases are left alone: they keep their own time.
    """

    def __init__(self, objects: Objects, clock: Clock, pace: float) -> None:
        self._objects = objects
        self._clock = clock
        self.least_seconds_between_writes = pace
        self.written: list[str] = []
        self.listed: list[str] = []
        self.coming: deque[Trouble] = deque()
        self._at: dict[str, float] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._objects, name)

    async def read(self, name: str) -> StoredObject | None:
        return await self._objects.read(name)

    async def write(self, name: str, data: bytes) -> Generation:
        self._note(name)
        return await self._objects.write(name, data)

    async def compare_and_set(self, name: str, data: bytes, expected: Generation | None) -> Generation | None:
        if name.endswith(".lease"):
            return await self._objects.compare_and_set(name, data, expected)
        trouble = self.coming.popleft() if self.coming else None
        if trouble == "before":
            raise UnreachableError("no answer")
        generation = await self._objects.compare_and_set(name, data, expected)
        if generation is not None:
            self._note(name)
        if trouble == "after" and generation is not None:
            raise UnreachableError("no answer")
        return generation

    async def delete(self, name: str) -> bool:
        return await self._objects.delete(name)

    async def list(self, prefix: str = "") -> Sequence[str]:
        self.listed.append(prefix)
        return await self._objects.list(prefix)

    async def close(self) -> None:
        await self._objects.close()

    def _note(self, name: str) -> None:
        now = self._clock.monotonic()
        gap = now - self._at.get(name, -self.least_seconds_between_writes)
        assert gap >= self.least_seconds_between_writes - 1e-6, f"{name} is written again after {gap} s"
        self._at[name] = now
        self.written.append(name)
