"""What a request to Productive can come to, as values.

A refused token and an answer that cannot be understood are errors; everything else that is to be
expected is one of the values here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Resource = dict[str, Any]
"""One JSON:API resource object as it came: id, type, attributes, relationships."""


@dataclass(frozen=True, slots=True)
class Page:
    """A list, or one page of it.

    `resources` are the list's items as they came, each meant to be a `Resource`.
    `next` is the link to the next page as it was printed. The counts are None where the answer gives
    none (cursor pagination gives no totals). `observed_us` is when the request started, in
    microseconds since 1970 UTC on Productive's clock: the state shown is at least as new.
    """

    resources: list[Any]
    observed_us: int
    next: str | None = None
    total_count: int | None = None
    current_page: int | None = None
    total_pages: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """One record that was asked for by its id; `observed_us` as in `Page`."""

    resource: Resource
    observed_us: int


@dataclass(frozen=True, slots=True)
class Gone:
    """Productive says that it has no such record (or shows it to us no more)."""

    observed_us: int


class RefusalKind(StrEnum):
    """Which part of a query an endpoint does not take."""

    FILTER = "filter"
    SORT = "sort"
    INCLUDE = "include"
    CURSOR = "cursor"
    FIELDS = "fields"
    PARAMETER = "parameter"


@dataclass(frozen=True, slots=True)
class Refused:
    """The endpoint does not take the query as it is (400 or 422, which Productive uses alike).

    `names` are those of the filters, sorts or includes we sent that the answer mentions; empty when it
    mentions none. `code` is Productive's own word for the reason.
    """

    kind: RefusalKind
    detail: str
    names: tuple[str, ...] = ()
    code: str = ""
    status: int = 400


@dataclass(frozen=True, slots=True)
class Unavailable:
    """This list or record is not to be had with this token, plan or organization.

    Normal for features that an organization does not use: skip the table and say why. `reason` is a
    phrase for people.
    """

    status: int
    reason: str
    code: str = field(default="")


NO_SUCH_LIST = Unavailable(404, "the API has no such list")
"""What it means when a list, of all things, is said to be a record that is not found."""

Answer = Page | Found | Gone | Refused | Unavailable
