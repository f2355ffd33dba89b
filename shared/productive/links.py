"""Reads links to the next page, as untrusted as everything else in an answer."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from shared.errors import ProtocolError

_PORTS = {"http": 80, "https": 443}


class NextPage(NamedTuple):
    """What a link says about the next page; None where it says nothing."""

    cursor: str | None
    number: int | None


def next_page(link: str, asked: str) -> NextPage:
    """The page parameters of `link`, which must lead to the very list that was `asked` for (its URL).

    Nothing else is taken from the link: a list that leads elsewhere would carry the token there.
    Productive's guide prints these links unencoded, its answers encode them; a `+` is a plus in both.
    Raises `ProtocolError`.
    """
    here = urlsplit(asked)
    try:
        there = urlsplit(urljoin(asked, link))
        same = _origin(there) == _origin(here)
    except ValueError:
        raise ProtocolError(f"{here.path}: the link to the next page is not a URL") from None
    if not same:
        raise ProtocolError(
            f"{here.path}: the next page is said to be at {_shown(there)}, but the API is at {_shown(here)}",
            advice="Check that the API's address in the configuration is Productive's own.",
        )
    if _path(there) != _path(here):
        raise ProtocolError(f"{here.path}: the next page is said to be at another path, {_path(there)[:200]}")
    parameters = dict(_parameters(there.query))
    number = parameters.get("page[number]", "")
    return NextPage(
        cursor=parameters.get("page[after]") or None,
        number=int(number) if number.isascii() and number.isdigit() and len(number) < 16 else None,
    )


def _origin(url: SplitResult) -> tuple[str, str | None, int | None]:
    return url.scheme, url.hostname, url.port or _PORTS.get(url.scheme)


def _shown(url: SplitResult) -> str:
    return f"{url.scheme}://{url.hostname}{f':{url.port}' if url.port else ''}"[:200]


def _path(url: SplitResult) -> str:
    return unquote(url.path).rstrip("/")


def _parameters(query: str) -> list[tuple[str, str]]:
    pairs = (part.partition("=") for part in query.split("&") if part)
    return [(unquote(key), unquote(value)) for key, _, value in pairs]
