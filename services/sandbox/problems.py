"""What the API answers when it does not answer: one exception that carries status, code and words.

The spelling of `status` inside the body is mixed on purpose, as measured on the real API by third
parties: a string for authentication and missing records, a number for limits and paging, a word for sorts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec


class Problem(Exception):  # noqa: N818 -- an answer of the API, not an error of ours
    """An error answer. `printed` is the spelling of the status in the body, if not the number.

    `pointer` says which part of a body is meant.
    """

    def __init__(
        self,
        status: int,
        code: str,
        title: str,
        detail: str = "",
        *,
        printed: str | int | None = None,
        meta: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        pointer: str | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {detail or title}")
        self.status = status
        self.headers = headers or {}
        self._error: dict[str, Any] = {"status": printed if printed is not None else status, "code": code}
        self._error["title"] = title
        self._error["detail"] = detail or title
        if meta is not None:
            self._error["meta"] = meta
        if pointer is not None:
            self._error["source"] = {"pointer": pointer}
        self._others: list[dict[str, Any]] = []

    def add(self, other: Problem) -> None:
        """Tell another problem in the same answer."""
        self._others.append(other._error)

    def body(self) -> bytes:
        """The JSON:API error document."""
        return msgspec.json.encode({"errors": [self._error, *self._others]})


def invalid_token() -> Problem:
    """No token, or one that nobody has."""
    return Problem(401, "invalid_auth_token", "Unauthorized", "Invalid auth token", printed="401")


def no_organization() -> Problem:
    """The organization header is missing or names nothing reachable."""
    return Problem(403, "no_organization_id", "Forbidden", "Organization id is missing", printed="403")


def no_person() -> Problem:
    """The token is fine, but its owner is not in this organization."""
    return Problem(403, "no_person", "Forbidden", "No person in this organization", printed="403")


def no_route(path: str) -> Problem:
    """No such endpoint, or one that this organization does not have."""
    return Problem(404, "route_not_found", "Route not found", f"Route not found: {path}", printed="404")


def record_not_found(kind: str, identifier: str) -> Problem:
    """No record with this id."""
    detail = f"Couldn't find record {identifier} of {kind}"
    return Problem(404, "record_not_found", "Record not found", detail, printed="404")


def unsupported_media_type() -> Problem:
    """A body that is not JSON:API; checked before the credentials."""
    return Problem(
        415,
        "unsupported_content_type",
        "Unsupported media type",
        "Use application/vnd.api+json",
        printed="415",
    )


def unsupported_filter(name: str, status: int) -> Problem:
    """A filter, or an operator of it, that the endpoint does not know."""
    detail = f"Filter {name} is not supported on this endpoint"
    return Problem(status, "unsupported_filter", "Unsupported Filter", detail)


def ambiguous_filter(name: str, status: int) -> Problem:
    """Two operators on one field outside of a filter group."""
    detail = f"Several conditions on {name} have to be sent as a filter group"
    return Problem(status, "invalid_filter", "Invalid Filter", detail)


def invalid_filter_value(name: str, value: str, status: int) -> Problem:
    """A value that cannot be compared with the field."""
    return Problem(
        status, "invalid_filter_value", "Invalid Filter", f"{value!r} is no value for filter {name}"
    )


def unsupported_sort(name: str, status: int) -> Problem:
    """A sort that the endpoint does not know."""
    detail = f"Sort by {name} is not supported on this endpoint"
    return Problem(
        status, "sort_param_unsupported", "Unsupported Sort", detail, printed="unprocessable_content"
    )


def unsupported_include(name: str | None, status: int) -> Problem:
    """An include that the resource does not have; the detail may or may not name it."""
    detail = f"Include {name} is not supported on this endpoint" if name else "Include is not supported"
    return Problem(status, "unsupported_include", "Unsupported Include", detail)


def unsupported_param(name: str, status: int) -> Problem:
    """A query parameter the endpoint refuses."""
    detail = f"Parameter {name} is not supported on this endpoint"
    return Problem(status, "unsupported_param", "Unsupported Parameter", detail)


def keyset(code: str, detail: str) -> Problem:
    """One of the three refusals of cursor pagination."""
    return Problem(400, code, "Bad Request", detail)


def invalid_body(wrong: Mapping[str, str]) -> Problem:
    """A body that makes no sense: what is wrong by pointer, which has no leading slash, as measured."""
    found = [
        Problem(
            422,
            "invalid_attribute_value",
            "Invalid Attribute",
            detail,
            printed="unprocessable_content",
            pointer=pointer,
        )
        for pointer, detail in wrong.items()
    ]
    for other in found[1:]:
        found[0].add(other)
    return found[0]


def webhooks_limit_exceeded() -> Problem:
    """The organization's plan has no webhooks."""
    return Problem(403, "webhooks_limit_exceeded", "Forbidden", "Webhooks limit exceeded", printed="403")


def read_only_token() -> Problem:
    """The token may read, not write."""
    return Problem(403, "forbidden", "Forbidden", "This token can only read", printed="403")
