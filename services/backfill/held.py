"""Deletions that the brake holds back, one object per table, until a person confirms them.

What is kept is for people to judge by, and to see how much they confirmed: what is deleted in the end is
found anew by the next full crawl.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import msgspec

from shared.errors import ConfigError
from shared.objects.port import Objects

log = logging.getLogger(__name__)


class HeldDeletions(msgspec.Struct, frozen=True, kw_only=True):
    """`count` of a table's `rows` were not found by the run; `ids` are some of them.

    `held_us` is when, on Productive's clock; `confirmed` whether a person has said that they may go.
    """

    table: str
    run_id: str
    held_us: int
    rows: int
    count: int
    ids: tuple[str, ...]
    confirmed: bool = False

    @property
    def reason(self) -> str:
        """Why they are held, and what to do, for people."""
        return (
            f"{self.count:,} of {self.rows:,} rows seem to be gone from Productive, which is too many to be "
            f"deleted unasked; if that is right: productive-ingest backfill --confirm-deletions {self.table}"
        )


class HeldStore:
    """The held deletions of one organization."""

    def __init__(self, objects: Objects, organization_id: str) -> None:
        self._objects = objects
        self._root = f"organizations/{organization_id}/held-deletions"

    async def all(self) -> Sequence[HeldDeletions]:
        """What is held, confirmed or not, in the order of the tables' names."""
        tables = [name.rpartition("/")[2].removesuffix(".json") for name in await self._list()]
        return [held for table in tables if (held := await self.of(table)) is not None]

    async def of(self, table: str) -> HeldDeletions | None:
        """What is held of a table."""
        stored = await self._objects.read(self._name(table))
        if stored is None:
            return None
        try:
            return msgspec.json.decode(stored.data, type=HeldDeletions)
        except msgspec.MsgspecError as error:
            log.warning(
                "%s cannot be read (%s); the next full crawl writes it anew", self._name(table), error
            )
            return None

    async def hold(self, held: HeldDeletions) -> None:
        """Keep this for the table, in the place of what was held before; what was confirmed no longer is."""
        await self._objects.write(self._name(held.table), msgspec.json.encode(held))

    async def confirm(self, table: str) -> HeldDeletions:
        """Let the next full crawl delete so many rows of the table; `ConfigError` when none are held."""
        held = await self.of(table)
        if held is None:
            others = ", ".join(other.table for other in await self.all())
            raise ConfigError(
                f"no deletions of {table[:60]!r} are held back",
                advice=f"They are of {others}." if others else "There is nothing to confirm.",
            )
        confirmed = msgspec.structs.replace(held, confirmed=True)
        await self.hold(confirmed)
        return confirmed

    async def release(self, table: str) -> None:
        """Nothing of the table is held any more."""
        await self._objects.delete(self._name(table))

    async def _list(self) -> Sequence[str]:
        return await self._objects.list(f"{self._root}/")

    def _name(self, table: str) -> str:
        return f"{self._root}/{table}.json"
