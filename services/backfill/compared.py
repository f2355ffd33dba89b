"""What the last comparison of each table came to, one object per table."""

from __future__ import annotations

import logging
from typing import Final

import msgspec

from shared.clock import MICROSECONDS
from shared.objects.port import Objects
from shared.productive import Learned

log = logging.getLogger(__name__)

RETRY_REFUSED_US: Final = 7 * 86_400 * MICROSECONDS
"""What an endpoint refused is tried again after that time."""


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """One comparison: of which walk, and how it ended.

    `before_us` is when the walk began that was compared before this one; None when there was none. `learned`
    is what is known about the endpoint, since `learned_us`. `unlisted` are records that are there although
    the list does not show them, with the time at which they were read. `ended` once all is published:
    `deleted`, `held_back` and `reason` are those of the outcome.
    """

    run_id: str
    started_us: int
    before_us: int | None = None
    learned: Learned = Learned()
    learned_us: int = 0
    unlisted: dict[str, int] = {}
    ended: bool = False
    deleted: int = 0
    held_back: int = 0
    reason: str = ""


class ComparedStore:
    """The last comparisons of one organization's tables."""

    def __init__(self, objects: Objects, organization_id: str) -> None:
        self._objects = objects
        self._root = f"organizations/{organization_id}/comparisons"

    async def begin(self, table: str, run_id: str, started_us: int) -> Compared:
        """The comparison of this walk: as it was left, if it was begun before, and else a new one."""
        last = await self._read(table)
        if last is not None and (last.run_id, last.started_us) == (run_id, started_us):
            return last
        begun = Compared(run_id=run_id, started_us=started_us, learned_us=started_us)
        if last is not None:
            begun = msgspec.structs.replace(begun, before_us=last.started_us, unlisted=last.unlisted)
            if started_us - last.learned_us < RETRY_REFUSED_US:
                begun = msgspec.structs.replace(begun, learned=last.learned, learned_us=last.learned_us)
        await self.save(table, begun)
        return begun

    async def save(self, table: str, compared: Compared) -> None:
        """Keep it as the table's last one."""
        await self._objects.write(self._name(table), msgspec.json.encode(compared))

    async def _read(self, table: str) -> Compared | None:
        stored = await self._objects.read(self._name(table))
        if stored is None:
            return None
        try:
            return msgspec.json.decode(stored.data, type=Compared)
        except msgspec.MsgspecError as error:
            log.warning("%s cannot be read (%s); writing it anew", self._name(table), error)
            return None

    def _name(self, table: str) -> str:
        return f"{self._root}/{table}.json"
