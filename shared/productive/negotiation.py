"""Asks until an endpoint takes the query: drops just what it refuses, and remembers it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from urllib.parse import quote

import msgspec

from shared.errors import ProtocolError
from shared.productive.answers import Answer, Found, Gone, Page, RefusalKind, Refused, Unavailable
from shared.productive.client import ProductiveClient
from shared.productive.learned import Learned
from shared.productive.listing import ListQuery
from shared.productive.refusals import Parameters

_SMALLEST_PAGE: Parameters = (("page[number]", "1"), ("page[size]", "1"))


@dataclass(frozen=True, slots=True)
class Request:
    """A list's page, or one record of it when `record_id` is given, asked for with what is known so far.

    `page` are the page parameters, `sort` the order used where the query itself has none.
    """

    query: ListQuery
    page: Parameters = ()
    sort: str | None = None
    record_id: str | None = None

    def path(self, learned: Learned) -> str:
        """Below the API's root, encoded."""
        path = self.query.path(learned)
        return path if self.record_id is None else f"{path}/{quote(self.record_id, safe='')}"

    def parameters(self, learned: Learned) -> Parameters:
        """The whole query string."""
        if self.record_id is not None:
            return self.query.record_parameters(learned)
        return (*self.query.parameters(learned, sort=self.sort), *self.page)

    @property
    def uses_cursor(self) -> bool:
        """Whether the page is asked for by cursor."""
        return any(key == "page[after]" for key, _ in self.page)

    def probe(self) -> Request:
        """The cheapest request that shows whether something is taken."""
        return self if self.record_id is not None else replace(self, page=_SMALLEST_PAGE, sort=None)


async def ask(
    client: ProductiveClient, request: Request, learned: Learned
) -> tuple[Page | Found | Gone | Unavailable | Refused, Learned]:
    """The answer to the request with everything dropped that was refused, and what is known now.

    `Refused` comes back only when it is the cursor: what to do then depends on the walk. Raises
    `ProtocolError` when something is refused of which nothing is left to drop, and what `client.get` raises.
    """
    flipped = False
    while True:
        answer = await _send(client, request, learned)
        if isinstance(answer, Refused):
            if answer.kind is RefusalKind.CURSOR and request.uses_cursor:
                return answer, learned
            dropped = await _drop(client, request, learned, answer)
            if isinstance(dropped, Unavailable):
                return dropped, learned
            if dropped == learned:
                if request.uses_cursor:
                    return replace(answer, kind=RefusalKind.CURSOR, code=""), learned
                raise _nothing_left(request, learned, answer)
            learned = dropped
        elif _not_found(request, answer) and request.query.table.fallback_path and not flipped:
            flipped = True
            learned = _flip(learned)
        else:
            if flipped and _not_found(request, answer):
                learned = _flip(learned)
            return answer, learned


async def _send(client: ProductiveClient, request: Request, learned: Learned) -> Answer:
    return await client.get(
        request.path(learned),
        request.parameters(learned),
        family=request.query.table.limit,
        exact_times=request.query.exact_times,
    )


def _not_found(request: Request, answer: Answer) -> bool:
    """Whether there is no such endpoint; for a list that includes a record that is not found."""
    if isinstance(answer, Gone):
        return request.record_id is None
    return isinstance(answer, Unavailable) and answer.status == 404


def _flip(learned: Learned) -> Learned:
    return msgspec.structs.replace(learned, use_fallback_path=not learned.use_fallback_path)


def _nothing_left(request: Request, learned: Learned, refused: Refused) -> ProtocolError:
    return ProtocolError(
        f"/{request.path(learned)}: refused with HTTP {refused.status} ({refused.detail}), and there is "
        "nothing left to leave out of the query",
        advice="The API may have changed: look for a newer version of productive-ingest, or report this.",
    )


async def _drop(
    client: ProductiveClient, request: Request, learned: Learned, refused: Refused
) -> Learned | Unavailable:
    """`learned` with what `refused` is about; unchanged when the query holds nothing of the kind."""
    sent = request.parameters(learned)
    match refused.kind:
        case RefusalKind.INCLUDE:
            includes = _listed(sent, "include")
            return await _narrow(client, request, learned, refused.names, includes, of_filters=False)
        case RefusalKind.FILTER:
            filters = request.query.filter_names(learned) if request.record_id is None else ()
            return await _narrow(client, request, learned, refused.names, filters, of_filters=True)
        case RefusalKind.SORT:
            return learned.without(sorts=_sorts(sent))
        case RefusalKind.FIELDS:
            return _without_fieldsets(learned, sent)
        case _:
            # Not said what: leave out first what costs nothing but size, then what costs only order.
            fewer = _without_fieldsets(learned, sent)
            return fewer if fewer != learned else learned.without(sorts=_sorts(sent))


def _sorts(sent: Parameters) -> tuple[str, ...]:
    return tuple(name.removeprefix("-") for name in _listed(sent, "sort"))


def _listed(sent: Parameters, key: str) -> tuple[str, ...]:
    return tuple(name for sent_key, value in sent if sent_key == key for name in value.split(",") if name)


def _without_fieldsets(learned: Learned, sent: Parameters) -> Learned:
    used = any(key.startswith("fields[") for key, _ in sent)
    return msgspec.structs.replace(learned, no_fieldsets=True) if used else learned


async def _narrow(
    client: ProductiveClient,
    request: Request,
    learned: Learned,
    named: tuple[str, ...],
    sent: tuple[str, ...],
    *,
    of_filters: bool,
) -> Learned | Unavailable:
    """Refuse the named ones, the only one, or those that a probe finds to be refused."""

    def without(learned: Learned, names: Iterable[str]) -> Learned:
        return learned.without(**{"filters" if of_filters else "includes": tuple(names)})

    refused = named or (sent if len(sent) == 1 else ())
    if refused:
        return without(learned, refused)
    # Each is tried together with those found good before, so that a refused combination is found as well.
    bare = msgspec.structs.replace(
        learned.without(
            filters=() if of_filters else request.query.filter_names(learned),
            includes=_listed(request.parameters(learned), "include") if of_filters else (),
            sorts=_sorts(request.parameters(learned)),
        ),
        no_fieldsets=True,
    )
    good: set[str] = set()
    for name in sent:
        others = set(sent) - good - {name}
        answer = await _send(client, request.probe(), without(bare, others))
        if isinstance(answer, Unavailable):
            return answer
        if not isinstance(answer, Refused):
            good.add(name)
    return without(learned, (name for name in sent if name not in good))
