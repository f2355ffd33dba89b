"""Where a walk is, and where a page leads: the rules, without any sending."""

from __future__ import annotations

import msgspec

from shared.errors import ProtocolError
from shared.productive.answers import Page
from shared.productive.jsonapi import identifier
from shared.productive.links import NextPage
from shared.productive.listing import PAGE_SIZE
from shared.productive.refusals import Parameters


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


def stuck(where: str, what: str) -> ProtocolError:
    """The error for a list, at the path `where`, that leads nowhere."""
    return ProtocolError(
        f"{where}: {what}",
        advice="What was read so far is kept. If it happens again, report it with this message.",
    )


def is_numbered(page: Page, link: NextPage | None) -> bool:
    """Whether a page that was asked for by cursor was answered by number: the cursor was ignored."""
    if link is not None:
        return link.cursor is None and link.number is not None
    return page.current_page is not None and (page.total_pages or 0) > page.current_page


def following(
    position: Position, page: Page, link: NextPage | None, *, walks: int, where: str
) -> tuple[Position | None, bool]:
    """Where the walk goes on after `page`, which was read at `position`, and whether it is good so far.

    `walks` is how many walks by page numbers are made altogether until one is not disturbed, `where` the
    path for messages. Raises `ProtocolError` when the link leads nowhere or back.
    """
    if position.cursor is None:
        return _after_number(position, page, link, walks, where)
    if link is None:
        return None, True
    if link.cursor is None:
        raise stuck(where, "the link to the next page names no page")
    return Position(cursor=link.cursor, seen=position.seen + len(page.resources)), True


def _after_number(
    position: Position, page: Page, link: NextPage | None, walks: int, where: str
) -> tuple[Position | None, bool]:
    """The same for page numbers.

    Rows that are added or removed under such a walk shift the others between the pages: some come twice,
    some not at all. It shows in a total that moves, in an id that comes again on the neighbouring page,
    and in a sum that is not the total.
    """
    number = position.page or 1
    total = page.total_count if position.total is None else position.total
    seen = position.seen + len(page.resources)
    ids = [id_ for resource in page.resources if (id_ := identifier(resource)) is not None]
    next_number = _next_number(number, page, link)
    if next_number is not None and next_number <= number:
        raise stuck(where, "the link to the next page leads back to an earlier page")
    disturbed = (
        position.disturbed
        or page.total_count not in {None, total}
        or len({*ids, *position.last_ids}) < len(ids) + len(position.last_ids)
        or (next_number is None and total is not None and seen != total)
    )
    if disturbed and position.walk < walks:
        return Position(page=1, walk=position.walk + 1), True
    if next_number is None:
        return None, not disturbed
    go_on = Position(
        page=next_number,
        seen=seen,
        total=total,
        last_ids=tuple(ids),
        walk=position.walk,
        disturbed=disturbed,
    )
    return go_on, True


def _next_number(number: int, page: Page, link: NextPage | None) -> int | None:
    if link is not None and link.number is not None:
        return link.number
    if page.total_pages is not None:
        return number + 1 if number < page.total_pages else None
    return number + 1 if len(page.resources) >= PAGE_SIZE else None
