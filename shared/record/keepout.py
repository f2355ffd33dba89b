"""Records that must not come back: purged for good, although Productive still has them.

The list itself is kept by whoever purges; the writer only asks it, right before it writes.
"""

from __future__ import annotations

from typing import Protocol


class KeepOut(Protocol):
    """Which ids of which tables are kept out.

    A record that is kept out is not written at all, neither an upsert nor a deletion, and goes to no dead
    letter: its message is acked as if it had been written.
    """

    async def refresh(self) -> None:
        """Take note of what was added or forgotten since; to be awaited before each write, and cheap.

        `ConfigError` when there is a list that cannot be read with the key at hand: then nothing may be
        written, since nobody knows what must not be. `StorageError` or `UnreachableError` when the store
        cannot be read.
        """
        ...

    def holds(self, table: str, record_id: str, /) -> bool:
        """Whether the record of that id is kept out of that table; from memory, in microseconds."""
        ...


class NothingKeptOut:
    """The `KeepOut` of a writer that was given none."""

    async def refresh(self) -> None:
        """There is nothing to take note of."""

    def holds(self, _table: str, _record_id: str, /) -> bool:
        """Never."""
        return False
