"""One write: deletions into the memory, the newest state of each id into the table."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from shared.warehouse.bigquery.appending import Appender
from shared.warehouse.bigquery.history import History
from shared.warehouse.bigquery.layout import stored_columns
from shared.warehouse.bigquery.memory import Deletions
from shared.warehouse.bigquery.rest import Rest
from shared.warehouse.bigquery.rows import change_of
from shared.warehouse.port import RefusedRow, Row, TableSchema, WriteOutcome


class Writer:
    """Writes rows. What it does twice, because a process died in between, changes nothing."""

    def __init__(self, rest: Rest, deletions: Deletions, history: History) -> None:
        self._rest = rest
        self._deletions = deletions
        self._history = history

    async def write(self, appender: Appender, schema: TableSchema, rows: Sequence[Row]) -> WriteOutcome:
        """See `Warehouse.write`. BigQuery does not tell what lost to what it holds: that counts as applied.

        A row that lost to another one of the same write, or at the fence, is stale.
        """
        stale = await self._deletions.stale(schema.name, rows)
        refused: dict[int, RefusedRow] = {}
        if schema.history:
            # Also what lost: it was once so.
            refused |= await self._history.keep(appender, schema, rows)
        applied = 0
        queues = list(_newest_first(rows))
        while queues := [places for places in (_without(places, refused) for places in queues) if places]:
            # What is older than a state that lost has lost too.
            chosen = {places[0]: rows[places[0]] for places in queues if places[0] not in stale}
            found = await self._send(appender, schema, chosen)
            applied += len(chosen) - len(found)
            refused |= found
            queues = [places for places in queues if places[0] in found]
        return WriteOutcome(
            applied=applied,
            stale=len(rows) - applied - len(refused),
            refused=tuple(refused[place] for place in sorted(refused)),
        )

    async def _send(
        self, appender: Appender, schema: TableSchema, chosen: Mapping[int, Row]
    ) -> Mapping[int, RefusedRow]:
        # A deletion must be known before it is done: nobody could tell later what was here.
        gone = {place: row for place, row in chosen.items() if row.record.op == "delete"}
        refused = dict(await self._deletions.remember(appender, schema.name, gone))
        places = [place for place in chosen if place not in refused]
        if not places:
            return refused
        changes = [change_of(chosen[place]) for place in places]
        bad = await appender.append(self._rest.path(schema.name), stored_columns(schema), changes)
        return refused | {places[each.index]: replace(each, index=places[each.index]) for each in bad}


def _without(places: list[int], refused: Collection[int]) -> list[int]:
    return [place for place in places if place not in refused]


def _newest_first(rows: Sequence[Row]) -> Iterator[list[int]]:
    """The places of the rows of each id, the one that wins first."""

    def newest(place: int) -> tuple[object, ...]:
        record = rows[place].record
        return (record.id, record.version, record.op == "delete", -place)

    ordered = sorted(range(len(rows)), key=newest, reverse=True)
    for _, places in groupby(ordered, key=lambda place: rows[place].record.id):
        yield list(places)
