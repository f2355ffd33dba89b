"""Pages: their meta and their links, as Productive's guide on pagination prints them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, urlencode

from services.sandbox.query.params import MAX_PAGE_SIZE, Query


def numbered_meta(query: Query, total: int) -> dict[str, int]:
    """`total_pages` is 0 for an empty result, as measured on the real API."""
    return {
        "current_page": query.number or 1,
        "total_pages": -(-total // query.size),
        "total_count": total,
        "page_size": query.size,
        "max_page_size": MAX_PAGE_SIZE,
    }


def numbered_links(base: str, query: Query, total: int) -> dict[str, str]:
    """Absolute links with encoded brackets that echo the query."""
    number, pages = query.number or 1, -(-total // query.size)
    numbers = {"first": 1, "last": max(pages, 1)}
    if number < pages:
        numbers["next"] = number + 1
    if 1 < number <= pages + 1:
        numbers["prev"] = number - 1
    kept = _kept(query)
    return {
        name: f"{base}?{urlencode([*kept, *_page(value, query.size)])}" for name, value in numbers.items()
    }


def cursor_meta(query: Query) -> dict[str, int]:
    """No totals with cursors."""
    return {"page_size": query.size, "max_page_size": MAX_PAGE_SIZE}


def cursor_link(base: str, query: Query, cursor: str) -> str:
    """The link to the page behind a cursor: keys unencoded, as in the guide, values strictly encoded."""
    pairs = [*_kept(query), ("page[after]", cursor), ("page[size]", str(query.size))]
    return f"{base}?" + "&".join(f"{key}={quote(value, safe='')}" for key, value in pairs)


def _kept(query: Query) -> Iterable[tuple[str, str]]:
    return [(key, value) for key, value in query.pairs if not key.startswith("page[") and key != "per_page"]


def _page(number: int, size: int) -> list[tuple[str, Any]]:
    return [("page[number]", number), ("page[size]", size)]
