"""Tells from an error body which part of a query was refused.

Productive documents "Unsupported Filter", "Unsupported Include", `sort_param_unsupported` and three
`keyset_…` codes; people who called the API saw the same refusals as 400 and as 422, and words of the
texts changing. So every place where a hint may stand is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from shared.productive.answers import RefusalKind, Refused
from shared.productive.jsonapi import ApiError

Parameters = tuple[tuple[str, str], ...]
"""Query parameters in their order, not yet encoded."""

INVALID_CURSOR = "keyset_invalid_cursor"

_WORDS = (
    (RefusalKind.INCLUDE, re.compile(r"\binclu(de|des|sion)\b|include")),
    (RefusalKind.SORT, re.compile(r"\bsort|_sort")),
    (RefusalKind.FILTER, re.compile(r"\bfilter|_filter")),
    (RefusalKind.FIELDS, re.compile(r"\bfields(et|ets)?\b")),
)
_ALTERNATIVES = re.compile(r"(?<!not )\b(supported|allowed|available|valid|permitted|possible)\b[^:.]{0,40}:")
_INDEX = re.compile(r"\d+")


def filter_name(key: str) -> str:
    """What a filter parameter filters by, `updated_at` for `filter[updated_at][gt]`.

    The group form `filter[0][updated_at][gt]` gives the same. `filter[$op]`, which joins others, gives `$op`;
    a key that is no filter gives itself.
    """
    if not key.startswith("filter["):
        return key
    parts = key.removeprefix("filter[").replace("]", "").split("[")
    return parts[1] if _INDEX.fullmatch(parts[0]) and len(parts) > 1 else parts[0]


def refusal(status: int, errors: Iterable[ApiError], sent: Parameters) -> Refused:
    """The refusal that the first understandable error tells of; of kind `parameter` when none is."""
    errors = tuple(errors)
    for error in errors:
        kind = _kind(error, sent)
        if kind is not None:
            return Refused(kind, str(error), _mentioned(error, _names(kind, sent)), error.code, status)
    first = errors[0] if errors else ApiError(detail="no reason given")
    return Refused(RefusalKind.PARAMETER, str(first), code=first.code, status=status)


def _kind(error: ApiError, sent: Parameters) -> RefusalKind | None:
    parameter = error.parameter.lower()
    if (
        "keyset" in error.code
        or parameter.startswith(("page[after", "page[before"))
        or "keyset" in error.text
    ):
        return RefusalKind.CURSOR
    for place in (parameter, error.code.lower(), error.title.lower(), error.detail.lower()):
        for kind, pattern in _WORDS:
            if pattern.search(place):
                return kind
    named = [kind for kind in _NAMED if _mentioned(error, _names(kind, sent))]
    return named[0] if len(named) == 1 else None


_NAMED = (RefusalKind.INCLUDE, RefusalKind.SORT, RefusalKind.FILTER)


def _names(kind: RefusalKind, sent: Parameters) -> tuple[str, ...]:
    match kind:
        case RefusalKind.INCLUDE | RefusalKind.SORT:
            listed = ",".join(value for key, value in sent if key == kind.value)
            return tuple(name.removeprefix("-") for name in listed.split(",") if name)
        case RefusalKind.FILTER:
            names = (filter_name(key) for key, _ in sent if key.startswith("filter["))
            return tuple(dict.fromkeys(name for name in names if name != "$op"))
        case _:
            return ()


def _mentioned(error: ApiError, names: tuple[str, ...]) -> tuple[str, ...]:
    """Those of `names` that are refused by name; none when the text can be read in more than one way."""
    pointed_at = filter_name(error.parameter)
    if pointed_at in names:
        return (pointed_at,)
    text = f"{error.title} {error.detail}"
    alternatives = _ALTERNATIVES.search(text.lower())
    if alternatives:
        text = text[: alternatives.start()]
    quoted = tuple(n for n in names if re.search(rf"""["'`‘“\[]-?{re.escape(n)}["'`’”\]]""", text))
    if quoted:
        return quoted
    plain = tuple(n for n in names if re.search(rf"(?<![\w.]){re.escape(n)}(?!\.?\w)", text))
    return plain if len(plain) == 1 else ()
