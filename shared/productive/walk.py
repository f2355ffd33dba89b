"""Walks through all pages of a list, from the beginning or from where an earlier walk stopped."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import msgspec

from shared.errors import ProtocolError
from shared.productive.answers import Found, Gone, Page, Refused, Resource, Unavailable
from shared.productive.client import ProductiveClient
from shared.productive.jsonapi import identifier
from shared.productive.learned import Learned
from shared.productive.links import NextPage, next_page
from shared.productive.listing import PAGE_SIZE, ListQuery
from shared.productive.negotiation import Request, ask
from shared.productive.refusals import INVALID_CURSOR, Parameters

_MAX_WALKS = 3
"""A page-number walk that was disturbed is made again, up to this many walks altogether."""

_MAX_RESTARTS = 3
_MAX_EMPTY_PAGES = 20


class Position(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a walk goes on; stored as JSON and good for another process.

    Either `cursor` (empty at the beginning) or `page` (from 1) is set. `seen` counts the records before it.
    The rest serves page-number walks: `total` as the first page gave it, `last_ids` those of the page
    before, `walk` which attempt this is, `disturbed` whether it was seen that the list changed meanwhile.
    """

    cursor: str | None = None
    page: int | None = None
    seen: int = 0
    total: int | None = None
    last_ids: tuple[str, ...] = ()
    walk: int = 1
    disturbed: bool = False

    @property
    def at_start(self) -> bool:
        """Whether everything is still to come."""
        return self.cursor == "" or self.page == 1

    def parameters(self) -> Parameters:
        """The page parameters of the request."""
        place = (
            ("page[after]", self.cursor) if self.cursor is not None else ("page[number]", str(self.page or 1))
        )
        return (place, ("page[size]", str(PAGE_SIZE)))


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

    resources: list[Resource]
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
                return (
                    answer
                    if isinstance(answer, Unavailable)
                    else Unavailable(404, "the API has no such list")
                )
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
        if position.cursor is not None and _is_numbered(page, link):
            self._learned = msgspec.structs.replace(self._learned, no_cursor=True)
            first = self._first()
            if not position.at_start or page.current_page not in {None, 1} or self._sort(first):
                self._restart(position)
                return None
            position = first
        if position.cursor is not None:
            following = _after_cursor(position, page, link)
            settled = True
        else:
            following, settled = _after_number(position, page, link)
        self._bound_empty_pages(page, following)
        self._position = following
        restarted = self._restarted or (position.at_start and position.walk > 1)
        self._restarted = False
        if following is not None and following.at_start:
            self._visited.clear()
        return WalkedPage(
            resources=page.resources,
            observed_us=page.observed_us,
            next=following,
            learned=self._learned,
            total=page.total_count if page.total_count is not None else position.total,
            restarted=restarted,
            settled=settled,
        )

    def _by_cursor(self) -> bool:
        return self._query.table.cursor and not self._learned.no_cursor

    def _first(self) -> Position:
        return Position(cursor="") if self._by_cursor() else Position(page=1)

    def _sort(self, position: Position) -> str | None:
        """The order of a page-number walk, unless the query or the endpoint is against it."""
        stable = self._query.table.stable_sort
        if position.page is None or stable is None or stable.removeprefix("-") in self._learned.refused_sorts:
            return None
        return stable

    def _link(self, page: Page) -> NextPage | None:
        if page.next is None:
            return None
        asked = f"{self._client.connection.api_url}/{self._query.path(self._learned)}"
        return next_page(page.next, asked)

    def _cursor_refused(self, position: Position, refused: Refused) -> None:
        if refused.code != INVALID_CURSOR or position.at_start:
            self._learned = msgspec.structs.replace(self._learned, no_cursor=True)
        self._restart(position)

    def _restart(self, position: Position) -> None:
        """Go back to the beginning; pages that were given before `position` come again."""
        self._restarts += 1
        if self._restarts > _MAX_RESTARTS:
            raise ProtocolError(
                f"/{self._query.path(self._learned)}: the list had to be begun again too often"
            )
        self._restarted = self._restarted or not position.at_start
        self._position = self._first()
        self._visited.clear()

    def _check_repetition(self, position: Position) -> None:
        place = hash((position.cursor, position.page))
        if place in self._visited:
            raise ProtocolError(
                f"/{self._query.path(self._learned)}: the link to the next page leads back to an earlier page"
            )
        self._visited.add(place)

    def _bound_empty_pages(self, page: Page, following: Position | None) -> None:
        self._empty_pages = 0 if page.resources or following is None else self._empty_pages + 1
        if self._empty_pages > _MAX_EMPTY_PAGES:
            path = self._query.path(self._learned)
            raise ProtocolError(f"/{path}: {_MAX_EMPTY_PAGES} empty pages in a row, and another is to come")


def _another_list(before: Learned, after: Learned) -> bool:
    """Whether what was learnt meanwhile changes which records come, or their order."""
    return (before.refused_filters, before.refused_sorts, before.use_fallback_path) != (
        after.refused_filters,
        after.refused_sorts,
        after.use_fallback_path,
    )


def _is_numbered(page: Page, link: NextPage | None) -> bool:
    """Whether a page that was asked for by cursor was answered by number: the cursor was ignored."""
    if link is not None:
        return link.cursor is None and link.number is not None
    return page.current_page is not None and (page.total_pages or 0) > page.current_page


def _after_cursor(position: Position, page: Page, link: NextPage | None) -> Position | None:
    if link is None:
        return None
    if link.cursor is None:
        raise ProtocolError("the link to the next page names no page")
    return Position(cursor=link.cursor, seen=position.seen + len(page.resources))


def _after_number(position: Position, page: Page, link: NextPage | None) -> tuple[Position | None, bool]:
    """Where a page-number walk goes on, and whether it is good so far.

    Rows that are added or removed under such a walk shift the others between the pages: some come twice,
    some not at all. It shows in a total that moves, in an id that comes again on the neighbouring page,
    and in a sum that is not the total.
    """
    number = position.page or 1
    total = page.total_count if position.total is None else position.total
    seen = position.seen + len(page.resources)
    ids = [id_ for resource in page.resources if (id_ := identifier(resource)) is not None]
    following = _next_number(number, page, link)
    disturbed = (
        position.disturbed
        or page.total_count not in {None, total}
        or len({*ids, *position.last_ids}) < len(ids) + len(position.last_ids)
        or (following is None and total is not None and seen != total)
    )
    if disturbed and position.walk < _MAX_WALKS:
        return Position(page=1, walk=position.walk + 1), True
    if following is None:
        return None, not disturbed
    return Position(
        page=following,
        seen=seen,
        total=total,
        last_ids=tuple(ids),
        walk=position.walk,
        disturbed=disturbed,
    ), True


def _next_number(number: int, page: Page, link: NextPage | None) -> int | None:
    if link is not None and link.number is not None:
        return link.number
    if page.total_pages is not None:
        return number + 1 if number < page.total_pages else None
    return number + 1 if len(page.resources) >= PAGE_SIZE else None
