"""What an answer of the Storage Write API means, where no conversation is needed to see it."""

from __future__ import annotations

import grpc
import pytest
from google.api_core import exceptions
from google.auth import exceptions as auth_exceptions
from google.cloud.bigquery_storage_v1 import types
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import status_pb2
from grpc import StatusCode as Code

from shared.errors import StorageError
from shared.warehouse.bigquery.answers import (
    Answer,
    Broken,
    Confirmed,
    Exhausted,
    Forbidden,
    Missing,
    SchemaBehind,
    answer_of,
    answer_to,
    without_values,
)
from tests.google.storage_write_harness import DEALS

Detail = types.StorageError.StorageErrorCode


def response(code: int, message: str = "", detail: int | None = None) -> types.AppendRowsResponse:
    status = status_pb2.Status(code=code, message=message)
    # Details of other services may be there, too.
    status.details.add(type_url="type.googleapis.com/somebody.Else", value=b"?")
    if detail is not None:
        packed = AnyMessage()
        packed.Pack(types.StorageError.pb(types.StorageError(code=detail)))
        status.details.append(packed)
    return types.AppendRowsResponse(error=status)


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (response(9, detail=Detail.TABLE_NOT_FOUND), Missing),
        (response(3, detail=Detail.STREAM_NOT_FOUND), Missing),
        (response(3, detail=Detail.SCHEMA_MISMATCH_EXTRA_FIELDS), SchemaBehind),
        (response(9, detail=Detail.STREAM_FINALIZED), Broken),
        (response(8), Exhausted),
        (response(4242), Broken),
        (types.AppendRowsResponse(), Confirmed),
    ],
)
def test_the_apis_own_codes_count_more_than_the_status(
    given: types.AppendRowsResponse, kind: type[Answer]
) -> None:
    assert type(answer_to(given, DEALS)) is kind


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TimeoutError(), Broken),
        (exceptions.ServiceUnavailable("x"), Broken),
        (grpc.aio.AioRpcError(Code.UNAVAILABLE, (), (), "x"), Broken),
        (grpc.aio.AioRpcError(Code.NOT_FOUND, (), (), "x"), Missing),
        (grpc.aio.AioRpcError(Code.RESOURCE_EXHAUSTED, (), ()), Exhausted),
        (grpc.aio.AioRpcError(Code.PERMISSION_DENIED, (), (), "x"), Forbidden),
        (auth_exceptions.TransportError("x"), Broken),
        (auth_exceptions.DefaultCredentialsError("x"), Forbidden),
        (ValueError("x"), Forbidden),
        (ConnectionResetError("x"), Broken),
    ],
)
def test_whatever_ends_a_stream_is_an_answer(error: Exception, kind: type[Answer]) -> None:
    assert type(answer_of(error, DEALS)) is kind


def test_missing_credentials_are_told_with_the_command_that_helps() -> None:
    answer = answer_of(auth_exceptions.DefaultCredentialsError("none found"), DEALS)
    assert isinstance(answer, Forbidden)
    assert isinstance(answer.error, StorageError)
    assert "gcloud auth application-default login" in answer.error.advice
    assert "agency-1.productive.deals" in answer.error.message


def test_messages_are_of_one_line_and_of_bounded_length() -> None:
    assert without_values("a\n\n b") == "a b"
    assert len(without_values("x" * 10_000)) == 300
    assert without_values("") == "no reason was given"
    assert (
        without_values("Invalid value 'Ana', \"Bo\" for field 'name'")
        == "Invalid value …, … for field 'name'"
    )
