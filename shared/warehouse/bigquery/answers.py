"""What BigQuery answers to an append, as what is to be done about it.

An answer is a response on the stream, or the status that the stream ended with. The codes are those of
google.rpc.Code, the details those of the API's `StorageError` (both documented); texts are looked at only
where there is no code for it, each with where it was seen.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import grpc
from google.api_core import exceptions
from google.cloud.bigquery_storage_v1 import types

from shared.errors import StorageError
from shared.google.endpoints import STORAGE_WRITE
from shared.google.failures import Place, as_ours

ROLE: Final = "roles/bigquery.dataEditor"


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The rows are durable. The normal answer."""


@dataclass(frozen=True, slots=True)
class RowsRefused:
    """None was taken because of some: these, by position in the request. Send the others again."""

    reasons: Mapping[int, str]

    @property
    def reason(self) -> str:
        """The first reason, for all of them."""
        return next(iter(self.reasons.values()), "rows were refused")


@dataclass(frozen=True, slots=True)
class RequestRefused:
    """None was taken, and it is not said because of which: send them in halves."""

    reason: str


@dataclass(frozen=True, slots=True)
class SchemaBehind:
    """The write path does not know all columns yet; normal for minutes after a table was altered.

    `known` are those that it knows by now, in lower case, if it said so.
    """

    reason: str
    known: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Exhausted:
    """A quota is used up: slow down with this table, on the same connection."""

    reason: str


@dataclass(frozen=True, slots=True)
class Missing:
    """There is no such table: wait a while if it may be new, then give up."""

    error: StorageError


@dataclass(frozen=True, slots=True)
class Broken:
    """The connection is of no more use, or was never made; whether the rows were taken is not known."""

    reason: str


@dataclass(frozen=True, slots=True)
class Forbidden:
    """A person has to change something first."""

    error: Exception


Answer = Confirmed | RowsRefused | RequestRefused | SchemaBehind | Exhausted | Missing | Broken | Forbidden

_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}
_STORAGE = types.StorageError.StorageErrorCode
_EXTRA_FIELDS = re.compile("extra fields|more fields than BigQuery schema", re.I)  # seen by others
_MISMATCH = re.compile("mismatched with BigQuery field|primary key", re.I)  # seen by others
_NOT_FOUND_CODES = {_STORAGE.TABLE_NOT_FOUND, _STORAGE.STREAM_NOT_FOUND}
_QUOTED = re.compile(r"((?:field|column) )?('[^']*'|\"[^\"]*\")", re.I)


def table_of(table: str) -> Place:
    """The place for messages about `projects/P/datasets/D/tables/T`."""
    parts = table.split("/")
    return Place(STORAGE_WRITE, f"the table {'.'.join(parts[1::2])}", parts[1], ROLE)


def answer_to(response: Any, table: str) -> Answer:
    """What a response means; `table` is for messages."""
    if response.row_errors:
        return RowsRefused({each.index: without_values(each.message) for each in response.row_errors})
    if "error" not in response:
        return Confirmed()
    known = frozenset(field.name.lower() for field in response.updated_schema.fields) or None
    status = response.error
    return _answer(_CODES.get(status.code), status.message, _details(status), table, known)


def answer_of(error: Exception, table: str) -> Answer:
    """What it means that a stream ended with this."""
    if isinstance(error, TimeoutError):
        return Broken("no answer in time")
    if isinstance(error, grpc.RpcError):
        return _answer(error.code(), error.details() or "", frozenset(), table, None)
    ours = as_ours(error, table_of(table))
    ours.__cause__ = error
    return Forbidden(ours) if isinstance(ours, StorageError) else Broken(ours.message)


def _answer(
    code: grpc.StatusCode | None,
    message: str,
    details: frozenset[int],
    table: str,
    known: frozenset[str] | None,
) -> Answer:
    text = " ".join(message.split())[:300]
    # ALREADY_EXISTS and OUT_OF_RANGE speak of offsets, of which a default stream has none. Like everything
    # else that makes no sense they may be about the connection: another one is tried.
    answer: Answer = Broken(f"{code.name if code else 'an unknown status'}: {text}")
    if details & _NOT_FOUND_CODES:
        code = grpc.StatusCode.NOT_FOUND
    match code:
        case _ if _STORAGE.SCHEMA_MISMATCH_EXTRA_FIELDS in details or _EXTRA_FIELDS.search(message):
            answer = SchemaBehind(text, known)
        case grpc.StatusCode.NOT_FOUND:
            answer = Missing(_ours(code, text, table))
        case grpc.StatusCode.PERMISSION_DENIED | grpc.StatusCode.UNAUTHENTICATED:
            answer = Forbidden(_ours(code, text, table))
        case grpc.StatusCode.INVALID_ARGUMENT if _MISMATCH.search(message):
            answer = Forbidden(mismatch(table, text))
        case grpc.StatusCode.INVALID_ARGUMENT:
            answer = RequestRefused(without_values(message))
        case grpc.StatusCode.RESOURCE_EXHAUSTED:
            answer = Exhausted(text)
    return answer


def mismatch(table: str, reason: str) -> StorageError:
    """The error for a table that is not as it was made."""
    return StorageError(
        f"{table_of(table).what} does not take the rows of its schema ({reason})",
        advice="If its columns or its primary key were changed by hand, undo that; "
        "`productive-ingest doctor` looks for the cause.",
    )


def _ours(code: grpc.StatusCode, message: str, table: str) -> StorageError:
    error = as_ours(exceptions.from_grpc_status(code, message), table_of(table))
    return error if isinstance(error, StorageError) else StorageError(error.message, advice=error.advice)


def _details(status: Any) -> frozenset[int]:
    found = set()
    for detail in status.details:
        storage_error = types.StorageError.pb(types.StorageError())
        if detail.Unpack(storage_error):
            found.add(storage_error.code)
    return frozenset(found)


def without_values(message: str) -> str:
    """A message about rows without what it quotes but columns, on one line and of bounded length."""
    shown = _QUOTED.sub(lambda found: found[0] if found[1] else "…", message)
    return " ".join(shown.split())[:300] or "no reason was given"
