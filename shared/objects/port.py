"""Objects: named blobs with atomic writes and compare-and-set, for checkpoints, leases, claims and state."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NewType, Protocol

from shared.errors import ConfigError

Generation = NewType("Generation", str)
"""An opaque mark of one content of an object; another content has another mark."""

_NAME = re.compile(r"(?!\.)[A-Za-z0-9_=.-]+(/(?!\.)[A-Za-z0-9_=.-]+)*")


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as it was read."""

    data: bytes
    generation: Generation


class Objects(Protocol):
    """A flat space of objects. Names are `/`-separated segments of letters, digits, `_`, `=`, `.` and `-`.

    Calls may be made concurrently and do not block the event loop. `StorageError` when the store cannot
    be used, `UnreachableError` when it does not answer. Several processes may share a store.
    """

    @property
    def least_seconds_between_writes(self) -> float:
        """How far apart two writes of one object have to be; 0 where that does not matter.

        One that comes sooner is not lost: its call takes so much longer, or fails when many come too soon.
        """
        ...

    async def read(self, name: str) -> StoredObject | None:
        """The object, or None when there is none."""
        ...

    async def write(self, name: str, data: bytes) -> Generation:
        """Write the whole object, durably and atomically: a reader sees the old or the new content."""
        ...

    async def compare_and_set(self, name: str, data: bytes, expected: Generation | None) -> Generation | None:
        """Write only if the object still has generation `expected` (None: does not exist).

        Returns the new generation, or None when somebody else was there first.
        """
        ...

    async def delete(self, name: str) -> bool:
        """Delete the object; False when there was none."""
        ...

    async def list(self, prefix: str = "") -> Sequence[str]:
        """The names that start with `prefix`, sorted."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


def check_name(name: str) -> str:
    """The name itself when it is a good one, else `ConfigError`: names are built by us, not by outsiders."""
    if len(name) > 512 or not _NAME.fullmatch(name):
        raise ConfigError(f"not a name for an object: {name!r}")
    return name
