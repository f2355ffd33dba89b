"""Looks records up by their ids, to know what has become of those that a list does not show.

A list that does not show a record proves little: it may leave out what is archived, a draft or a template
(which of them is not known per endpoint), and a record may have been made, or moved to a page that was read
before, while the list was walked.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from shared.catalog.selection import SelectedTable
from shared.errors import ProtocolError, RecordError
from shared.productive import (
    MOST_AT_ONCE,
    Found,
    Gone,
    Learned,
    ProductiveClient,
    Unavailable,
    lists_by_id,
    read_many,
    read_one,
)

_MOST_REFUSALS = 10
"""So many ids in a row that are refused for another reason than being gone, and the rest is not asked for."""

Control = Callable[[], AsyncIterator[str]]
"""Ids that Productive has just listed, to tell a record that is missing from an endpoint that is."""


@dataclass(slots=True)
class Looked:
    """What became of the ids that were asked for; each is in just one of these.

    `found` are there, `gone` are not. `unread` were not asked for one by one: there is no such endpoint, or
    the reads were used up. `unclear` got an answer that says neither, with one of the `reasons`.
    """

    found: dict[str, Found] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)
    reasons: dict[str, None] = field(default_factory=dict)


class Looker:
    """Looks up records of one table with at most `reads` requests for single ones.

    `learned` is what is known about the endpoint, and grows.
    """

    def __init__(
        self, client: ProductiveClient, selected: SelectedTable, learned: Learned, *, reads: int
    ) -> None:
        self._client = client
        self._table = selected.table
        self._columns = [column.name for column in selected.columns]
        self.learned = learned
        self._reads = reads
        self._has_records: bool | None = None

    async def look(
        self, ids: Sequence[str], *, control: Control | None = None, most_reads: int | None = None
    ) -> Looked:
        """Ask for different ids: 200 with a request where that works, and those it leaves out one by one.

        Without a `control` only Productive's own word (`record_not_found`) makes a record gone. Stops reading
        single ones after `most_reads`. Raises what the client raises but `ProtocolError`.
        """
        looked = Looked()
        if self._table.limit == "reports":  # rows that are worked out, and have no address
            looked.unread += ids
            return looked
        left = self._reads if most_reads is None else min(most_reads, self._reads)
        refusals = 0
        for id_ in await self._not_listed(ids, looked):
            if refusals >= _MOST_REFUSALS:
                looked.unclear.append(id_)
            elif not left or self._has_records is False:
                looked.unread.append(id_)
            else:
                left -= 1
                self._reads -= 1
                refusals = 0 if await self._read(id_, looked, control) else refusals + 1
        return looked

    async def _not_listed(self, ids: Sequence[str], looked: Looked) -> Sequence[str]:
        """Those that a list of just these ids does not have."""
        missing: list[str] = []
        for start in range(0, len(ids), MOST_AT_ONCE):
            some = ids[start : start + MOST_AT_ONCE]
            if len(some) == 1 or not lists_by_id(self.learned):
                missing += some
                continue
            try:
                answer, self.learned = await read_many(
                    self._client, self._table, some, columns=self._columns, learned=self.learned
                )
            except ProtocolError:
                missing += some
                continue
            if isinstance(answer, Unavailable):
                missing += some
            else:
                for id_, found in answer.found.items():
                    _sort(id_, found, looked)
                missing += answer.missing
        return missing

    async def _read(self, id_: str, looked: Looked, control: Control | None) -> bool:
        """Read one; False when the answer does not tell whether it is there."""
        answer = await self._one(id_)
        if isinstance(answer, Found):
            _sort(id_, answer, looked)
            return True
        if isinstance(answer, Gone):
            looked.gone.append(id_)
            return True
        if isinstance(answer, Unavailable) and answer.status == 404:
            # Not Productive's word for a record that is gone: others must be found where this one is not.
            if self._has_records is None:
                self._has_records = await self._serves_records(control)
            if self._has_records is not None:
                (looked.gone if self._has_records else looked.unread).append(id_)
                return True
        looked.unclear.append(id_)
        looked.reasons[answer if isinstance(answer, str) else answer.reason] = None
        return False

    async def _one(self, id_: str) -> Found | Gone | Unavailable | str:
        """The answer, or why there is none that makes sense."""
        try:
            answer, self.learned = await read_one(
                self._client, self._table, id_, columns=self._columns, learned=self.learned
            )
        except (ProtocolError, RecordError) as error:
            return error.message
        return answer

    async def _serves_records(self, control: Control | None) -> bool | None:
        """Whether a record that is surely there can be read by its id; None when nobody knows."""
        serves: bool | None = None
        async for id_ in control() if control else _nobody():
            answer = await self._one(id_)
            if isinstance(answer, (Found, Gone)):
                return True
            if not isinstance(answer, Unavailable) or answer.status != 404:
                return None
            serves = False
        return serves


async def _nobody() -> AsyncIterator[str]:
    return
    yield


def _sort(id_: str, found: Found, looked: Looked) -> None:
    """A record that no list shows, and that says of itself that it was deleted, is gone.

    Some kinds of records have `deleted_at` (seen by others); whether such a one can be read is not known.
    """
    attributes = found.resource.get("attributes")
    if isinstance(attributes, Mapping) and attributes.get("deleted_at") is not None:
        looked.gone.append(id_)
    else:
        looked.found[id_] = found
