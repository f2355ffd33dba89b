"""Follows Productive's recycle bin: deletions, and restorations, between full crawls.

Documented: the bin (`deleted_items`) holds budgets, deals, invoices, projects, services, tasks and time
entries, docs and dashboards, for at least seven days, and what is restored or deleted for ever leaves it.
So what was in the bin at an earlier look and is there no more is read by its id: a record that came back is
published. Its own change time is from before the deletion, and the larger version wins everywhere: it gets
the time of the look as its change time, which is after the deletion whoever told of it, and before any later
change.

What is deleted and restored between two looks, or restored after more than seven days, or told by nobody (a
token sees only what its owner deleted, unless the owner is an admin), is found by the next full crawl.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from services.backfill.bin_state import BinState, BinStore, Known
from services.backfill.compared import RETRY_REFUSED_US
from services.backfill.corrections import Corrections
from services.backfill.looking import Looker
from shared.bus.port import Bus
from shared.catalog import Catalog
from shared.catalog.selection import SelectedTable
from shared.clock import MICROSECONDS
from shared.errors import ProtocolError
from shared.objects.port import Objects
from shared.productive import Learned, ListQuery, ProductiveClient, Unavailable, changed_between, walk
from shared.productive.deleted_items import DELETED_ITEMS, deleted_items
from shared.productive.item_types import ItemTypes
from shared.record import Version
from shared.record.codec import BatchCodec

FOLLOWED_SECONDS: Final = 7 * 86_400
"""How long a deletion is followed: as long as the bin holds it on every plan."""

_OVERLAP_US: Final = 300 * MICROSECONDS
"""An entry may be listed some time after its `created_at`, and clocks differ."""

_MOST_READS: Final = 200


class BinOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """How many deletions and restorations were published; `problem` says why the bin could not be read."""

    deleted: int = 0
    restored: int = 0
    problem: str = ""


class RecycleBin:
    """The recycle bin of one organization, for the selected `tables`."""

    def __init__(
        self,
        *,
        client: ProductiveClient,
        bus: Bus,
        codec: BatchCodec,
        objects: Objects,
        organization_id: str,
        catalog: Catalog,
        tables: Mapping[str, SelectedTable],
    ) -> None:
        self._client = client
        self._bus = bus
        self._codec = codec
        self._organization_id = organization_id
        self._table = catalog.table(DELETED_ITEMS)
        self._types = ItemTypes(catalog)
        self._tables = tables
        self._store = BinStore(objects, organization_id)

    async def look(self, run_id: str, *, first_since_us: int | None = None) -> BinOutcome:
        """Publish what was deleted and what came back since the last look; durable when this returns.

        The first look goes back to `first_since_us`, or as far as deletions are followed. Best done after the
        tables were read, so that a record which was deleted meanwhile is not forgotten. May be repeated.
        Raises what the client (but `ProtocolError`), the objects and the bus raise; the next look then begins
        where this one did.
        """
        state = await self._store.read()
        if state.looked_us is None:
            state = msgspec.structs.replace(state, looked_us=first_since_us)
        look = _Look(self._client.server_clock.now_us(), state)
        corrections = Corrections(self._bus, self._codec, self._organization_id, run_id)
        try:
            problem = await self._read(look, corrections)
            restored = 0 if problem else await self._bring_back(look, corrections)
        except ProtocolError as error:
            return BinOutcome(deleted=look.deleted, problem=error.message)
        if not problem:
            await self._store.save(look.after())
        return BinOutcome(deleted=look.deleted, restored=restored, problem=problem)

    async def _read(self, look: _Look, corrections: Corrections) -> str:
        """Publish the deletions that are new; the reason where the bin cannot be read to its end."""
        filters = changed_between("created_at", look.since_us - _OVERLAP_US)
        query = ListQuery.of(self._table, ["id"], filters=filters, exact_times=True)
        settled = True
        async for step in walk(self._client, query, learned=look.learned):
            if isinstance(step, Unavailable):
                return step.reason
            look.learned, settled = step.learned, step.settled
            new: dict[str, list[tuple[str, Version]]] = {}
            for item in deleted_items(step.resources, step.observed_us, self._types):
                if item.table in self._tables and look.meets(Known(*item)):
                    version = Version(item.deleted_us, step.observed_us)
                    new.setdefault(item.table, []).append((item.id, version))
            for table, deletions in new.items():
                look.deleted += await corrections.delete(table, deletions)
        return "" if settled else "the recycle bin kept changing while it was read"

    async def _bring_back(self, look: _Look, corrections: Corrections) -> int:
        """Publish the records that have left the bin and are there; those that are not are forgotten."""
        restored = 0
        for table, ids in look.left_by_table().items():
            if table not in self._tables:
                continue
            looker = Looker(self._client, self._tables[table], Learned(), reads=_MOST_READS)
            looked = await looker.look(ids)
            # Whoever told of the deletion did so before this look began.
            hidden_by = Version(look.began_us, look.began_us - 1)
            restored += await corrections.upsert(
                self._tables[table], looked.found.values(), dict.fromkeys(looked.found, hidden_by)
            )
            for id_ in (*looked.found, *looked.gone):
                look.settled(table, id_)
        return restored


class _Look:
    """One look into the bin."""

    def __init__(self, began_us: int, state: BinState) -> None:
        self.began_us = began_us
        again = began_us - state.learned_us >= RETRY_REFUSED_US
        self._learned_us = began_us if again else state.learned_us
        self.learned = Learned() if again else state.learned
        self.deleted = 0
        self._earliest_us = began_us - FOLLOWED_SECONDS * MICROSECONDS
        followed = [known for known in state.known if known.deleted_us >= self._earliest_us]
        self._known = {(known.table, known.id): known.deleted_us for known in followed}
        self._met: dict[tuple[str, str], int] = {}
        last_us = self._earliest_us if state.looked_us is None else state.looked_us
        self.since_us = min([last_us, *self._known.values()])

    def meets(self, item: Known) -> bool:
        """Take note of an entry; whether it is new."""
        if item.deleted_us < self.since_us - _OVERLAP_US:
            return False  # the list could not be narrowed; it is known, or was before anybody followed it
        key = (item.table, item.id)
        known_us = max(self._known.get(key, -1), self._met.get(key, -1))
        self._met[key] = max(item.deleted_us, known_us)
        return item.deleted_us > known_us

    def left_by_table(self) -> dict[str, list[str]]:
        """What was in the bin before and is not any more."""
        left: dict[str, list[str]] = {}
        for table, id_ in self._known.keys() - self._met.keys():
            left.setdefault(table, []).append(id_)
        return {table: sorted(ids) for table, ids in sorted(left.items())}

    def settled(self, table: str, id_: str) -> None:
        """It need not be followed any more."""
        self._known.pop((table, id_), None)

    def after(self) -> BinState:
        """What to remember for the next look."""
        everything = {**self._known, **self._met}
        known = (
            Known(table, id_, deleted_us)
            for (table, id_), deleted_us in everything.items()
            if deleted_us >= self._earliest_us
        )
        return BinState.of(self.began_us, known, self.learned, self._learned_us)
