"""Walks through all pages of a list, from the beginning or from where an earlier walk stopped."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import msgspec

from shared.productive.answers import NO_SUCH_LIST, Found, Gone, Page, Refused, Unavailable
from shared.productive.client import ProductiveClient
from shared.productive.learned import Learned
from shared.productive.links import NextPage, next_page
from shared.productive.listing import ListQuery
from shared.productive.negotiation import Request, ask
from shared.productive.paging import Position, following, is_numbered, stuck
from shared.productive.refusals import INVALID_CURSOR

_MAX_WALKS = 3
"""A page-number walk that was disturbed is made again, up to this many walks altogether."""

_MAX_RESTARTS = 3
_MAX_EMPTY_PAGES = 20


@dataclass(frozen=True, slots=True)
class WalkedPage:
    """One page of a walk.

    - `next` is where the walk goes on once this page is safe; None after the last page.
    - `total` is the number of records of the whole list, where it is known.
    - `learned` is all that is known about the endpoint by now.
    - `restarted`: this page is the list's first once more; what came before comes again (the list changed
      under a page-number walk, or the position it was resumed from is no longer good).
    - `settled`: False on the last page when records may have been missed, because the list changed under
      every attempt.
    """

    resources: list[Any]
    observed_us: int
    next: Position | None
    learned: Learned
    total: int | None = None
    restarted: bool = False
    settled: bool = True


async def walk(
    client: ProductiveClient,
    query: ListQuery,
    *,
    start: Position | None = None,
    learned: Learned | None = None,
) -> AsyncIterator[WalkedPage | Unavailable]:
    """All pages from `start` on, or a single `Unavailable` as the end of it.

    Goes by cursor, and by page numbers where the endpoint refuses the cursor or ignores it. Raises
    `ProtocolError` when the answers lead nowhere (a link to another host, a page that repeats itself, a
    refusal with nothing left to leave out), and what `ProductiveClient.get` raises; what was
    given before holds.
    """
    walker = _Walker(client, query, learned or Learned(), start)
    while (page := await walker.step()) is not None:
        yield page


class _Walker:
    """The state of one walk in this process."""

    def __init__(
        self, client: ProductiveClient, query: ListQuery, learned: Learned, start: Position | None
    ) -> None:
        self._client = client
        self._query = query
        self._learned = learned
        self._restarts = 0
        self._restarted = False
        self._empty_pages = 0
        self._visited: set[int] = set()
        self._position: Position | None = start or self._first()
        if start is not None and start.cursor is not None and not self._by_cursor():
            self._restart(start)

    async def step(self) -> WalkedPage | Unavailable | None:
        """The next page; None after the last."""
        while (position := self._position) is not None:
            self._check_repetition(position)
            before = self._learned
            request = Request(self._query, position.parameters(), self._sort(position))
            answer, self._learned = await ask(self._client, request, before)
            if isinstance(answer, (Unavailable, Gone)):
                self._position = None
                return answer if isinstance(answer, Unavailable) else NO_SUCH_LIST
            if isinstance(answer, Refused):
                self._cursor_refused(position, answer)
            elif not position.at_start and _another_list(before, self._learned):
                self._restart(position)
            else:
                page = Page([answer.resource], answer.observed_us) if isinstance(answer, Found) else answer
                walked = self._walked(position, page)
                if walked is not None:
                    return walked
        return None

    def _walked(self, position: Position, page: Page) -> WalkedPage | None:
        link = self._link(page)
        if position.cursor is not None and is_numbered(page, link):
            self._learned = self._without_cursor()
            first = self._first()
            if not position.at_start or page.current_page not in {None, 1} or self._sort(first):
                self._restart(position)
                return None
            position = first
        walks = 1 if self._learned.restless else _MAX_WALKS
        next_position, settled = following(position, page, link, walks=walks, where=self._where)
        if next_position is None and position.page is not None:
            self._learned = msgspec.structs.replace(self._learned, restless=not settled)
        self._bound_empty_pages(page, next_position)
        self._position = next_position
        restarted = self._restarted or (position.at_start and position.walk > 1)
        self._restarted = False
        if next_position is not None and next_position.walk != position.walk:
            self._visited.clear()
        return WalkedPage(
            resources=page.resources,
            observed_us=page.observed_us,
            next=next_position,
            learned=self._learned,
            total=page.total_count if page.total_count is not None else position.total,
            restarted=restarted,
            settled=settled,
        )

    def _by_cursor(self) -> bool:
        if self._sorted() and self._learned.no_sorted_cursor:
            return False
        return self._query.table.cursor and not self._learned.no_cursor

    def _sorted(self) -> bool:
        """Whether the query has an order of its own, which is in force."""
        sort = self._query.sort
        return sort is not None and sort.removeprefix("-") not in self._learned.refused_sorts

    def _without_cursor(self) -> Learned:
        """Whoever gives no cursor for an order may give one without it."""
        if self._sorted():
            return msgspec.structs.replace(self._learned, no_sorted_cursor=True)
        return msgspec.structs.replace(self._learned, no_cursor=True)

    def _first(self) -> Position:
        return Position(cursor="") if self._by_cursor() else Position(page=1)

    def _sort(self, position: Position) -> str | None:
        """The order of a page-number walk, unless the query or the endpoint is against it."""
        stable = self._query.table.stable_sort
        if position.page is None or self._query.sort is not None or stable is None:
            return None
        return None if stable.removeprefix("-") in self._learned.refused_sorts else stable

    def _link(self, page: Page) -> NextPage | None:
        if page.next is None:
            return None
        asked = f"{self._client.connection.api_url}/{self._query.path(self._learned)}"
        return next_page(page.next, asked)

    def _cursor_refused(self, position: Position, refused: Refused) -> None:
        if refused.code != INVALID_CURSOR or position.at_start:
            self._learned = self._without_cursor()
        self._restart(position)

    def _restart(self, position: Position) -> None:
        """Go back to the beginning; pages that were given before `position` come again."""
        self._restarts += 1
        if self._restarts > _MAX_RESTARTS:
            raise stuck(self._where, "the list had to be begun again too often")
        self._restarted = self._restarted or not position.at_start
        self._position = self._first()
        self._visited.clear()

    def _check_repetition(self, position: Position) -> None:
        place = hash((position.cursor, position.page))
        if place in self._visited:
            raise stuck(self._where, "the link to the next page leads back to an earlier page")
        self._visited.add(place)

    def _bound_empty_pages(self, page: Page, next_position: Position | None) -> None:
        self._empty_pages = 0 if page.resources or next_position is None else self._empty_pages + 1
        if self._empty_pages > _MAX_EMPTY_PAGES:
            raise stuck(self._where, f"{_MAX_EMPTY_PAGES} empty pages in a row, and another is to come")

    @property
    def _where(self) -> str:
        return f"/{self._query.path(self._learned)}"


def _another_list(before: Learned, after: Learned) -> bool:
    """Whether what was learnt meanwhile changes which records come, or their order."""
    return (before.refused_filters, before.refused_sorts, before.use_fallback_path) != (
        after.refused_filters,
        after.refused_sorts,
        after.use_fallback_path,
    )
