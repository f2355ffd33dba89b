"""BigQuery's Storage Write API on this machine, for default streams with upserts and deletions.

It takes requests over real connections, decodes every row with the descriptor that it was sent, is strict
by the documented rules, and keeps the tables that come of it. What it is told to do wrong it does in order:
one fault per request, until there are none left.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
import msgspec
from google.cloud.bigquery_storage_v1 import types
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError
from google.rpc import status_pb2

SERVICE = "google.cloud.bigquery.storage.v1.BigQueryWrite"
LARGEST_REQUEST = 10_000_000
PSEUDO_COLUMNS = ("_CHANGE_TYPE", "_CHANGE_SEQUENCE_NUMBER")

_Field = descriptor_pb2.FieldDescriptorProto
_REQUEST = type(types.AppendRowsRequest.pb(types.AppendRowsRequest()))
_WIRE_TYPES = {
    "STRING": {_Field.TYPE_STRING},
    "JSON": {_Field.TYPE_STRING},
    "NUMERIC": {_Field.TYPE_STRING, _Field.TYPE_INT64, _Field.TYPE_DOUBLE},
    "INT64": {_Field.TYPE_INT64, _Field.TYPE_INT32},
    "BOOL": {_Field.TYPE_BOOL, _Field.TYPE_INT64},
    "TIMESTAMP": {_Field.TYPE_INT64},
    "DATE": {_Field.TYPE_INT32, _Field.TYPE_INT64},
    "ARRAY<STRING>": {_Field.TYPE_STRING},
}
_COLUMN_NAME_TAG = b"\xaa\x9b\xbc\xc7\x0d"  # field 454943157, length-delimited


@dataclass(frozen=True)
class Cut:
    """The stream ends with a status, after the rows were taken or instead."""

    applied: bool = False
    code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE
    message: str = "Connection reset by peer"


@dataclass(frozen=True)
class Answered:
    """A response with an error in it; the stream goes on."""

    code: grpc.StatusCode
    message: str = "as it was told to"
    storage_error: int | None = None
    updated_schema: Sequence[str] = ()


@dataclass(frozen=True)
class Silent:
    """No answer to this request and to none after it, whether the rows were taken or not."""

    applied: bool = False


@dataclass(frozen=True)
class Closed:
    """The stream ends without an error, as when the server has had enough of it."""


@dataclass(frozen=True)
class Twice:
    """Two answers to one request."""


Fault = Cut | Answered | Silent | Closed | Twice | None


@dataclass
class Stored:
    """The newest change of a row, also of one that is deleted."""

    sequence: tuple[int, ...]
    values: Mapping[str, Any] | None


@dataclass
class Table:
    """A table; `known` are the columns that the write path has heard of, all of them unless it is told."""

    columns: dict[str, str]
    key: str = "id"
    known: set[str] | None = None
    refuse: Callable[[Mapping[str, Any]], str | None] = lambda values: None
    """Why a row is not taken: told by `row_errors`."""
    reject: Callable[[Mapping[str, Any]], str | None] = lambda values: None
    """Why a request with such a row is not taken: told for the request only."""
    end: Callable[[Mapping[str, Any]], str | None] = lambda values: None
    """Why the stream ends over a request with such a row."""
    stored: dict[str, Stored] = field(default_factory=dict)
    changes: int = 0

    @property
    def rows(self) -> dict[str, dict[str, Any]]:
        """What a query shows: NULLs are left out."""
        return {
            key: {name: value for name, value in each.values.items() if value is not None}
            for key, each in self.stored.items()
            if each.values is not None
        }

    @property
    def writable(self) -> set[str]:
        return set(self.columns) if self.known is None else self.known


@dataclass(frozen=True)
class Seen:
    """A request as it came in."""

    connection: int
    write_stream: str
    trace_id: str
    descriptor: bytes
    rows: tuple[bytes, ...]
    size: int
    routing: str


class _RefusalError(Exception):
    def __init__(self, message: str, code: grpc.StatusCode = grpc.StatusCode.INVALID_ARGUMENT) -> None:
        super().__init__(message)
        self.code = code


class _EndError(Exception):
    """The stream ends."""


class StorageWriteServer:
    """The service; `tables` by `projects/P/datasets/D/tables/T`."""

    def __init__(self) -> None:
        self.tables: dict[str, Table] = {}
        self.faults: deque[Fault] = deque()
        self.schema_answers: deque[grpc.StatusCode] = deque()
        """Statuses to fail the next questions for a schema with."""
        self.seen: list[Seen] = []
        self.arrived = asyncio.Event()
        """Set with every request."""
        self.asked: list[str] = []
        self.on_asked: Callable[[], None] = lambda: None
        self.connections = 0
        self.open = 0
        self.most_open = 0
        self._changed = asyncio.Condition()

    async def append_rows(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        self.connections += 1
        connection = self.connections
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        row_class: Any = None
        try:
            async for request in requests:
                self._see(connection, request, context)
                fault = self.faults.popleft() if self.faults else None
                if isinstance(fault, Closed):
                    return
                if isinstance(fault, Answered):
                    yield self._error(fault)
                    continue
                response = types.AppendRowsResponse.pb(types.AppendRowsResponse())
                if not isinstance(fault, Cut | Silent) or fault.applied:
                    try:
                        row_class = self._row_class(request, row_class)
                        response = self._take(request, row_class)
                    except _RefusalError as refusal:
                        response = self._error(Answered(refusal.code, str(refusal)))
                    except _EndError as end:
                        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(end))
                if isinstance(fault, Cut):
                    await context.abort(fault.code, fault.message)
                if isinstance(fault, Silent):
                    await asyncio.Event().wait()
                if isinstance(fault, Twice):
                    yield response
                yield response
        finally:
            self.open -= 1
            async with self._changed:
                self._changed.notify_all()

    async def closed_to(self, open_: int) -> None:
        """Wait until no more than so many connections are open."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.open <= open_)

    async def get_write_stream(self, request: Any, context: Any) -> Any:
        self.asked.append(request.name)
        self.on_asked()
        if self.schema_answers:
            await context.abort(self.schema_answers.popleft(), "as it was told to")
        table = self.tables.get(request.name.removesuffix("/streams/_default"))
        if table is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "Requested entity was not found.")
        assert table is not None
        stream = types.WriteStream(name=request.name)
        if request.view == types.WriteStreamView.FULL:
            stream.table_schema.fields = [types.TableFieldSchema(name=name) for name in table.writable]
        return types.WriteStream.pb(stream)

    def _see(self, connection: int, request: Any, context: Any) -> None:
        routing = [value for key, value in context.invocation_metadata() if key == "x-goog-request-params"]
        self.arrived.set()
        self.seen.append(
            Seen(
                connection,
                request.write_stream,
                request.trace_id,
                request.proto_rows.writer_schema.proto_descriptor.SerializeToString(),
                tuple(request.proto_rows.rows.serialized_rows),
                request.ByteSize(),
                "".join(routing),
            )
        )

    def _error(self, fault: Answered) -> Any:
        status = status_pb2.Status(code=fault.code.value[0], message=fault.message)
        if fault.storage_error is not None:
            detail = AnyMessage()
            detail.Pack(types.StorageError.pb(types.StorageError(code=fault.storage_error)))
            status.details.append(detail)
        response = types.AppendRowsResponse(error=status)
        if fault.updated_schema:
            response.updated_schema = types.TableSchema(
                fields=[types.TableFieldSchema(name=name) for name in fault.updated_schema]
            )
        return types.AppendRowsResponse.pb(response)

    def _table(self, stream: str) -> Table:
        table, _, name = stream.partition("/streams/")
        if name != "_default":
            raise _RefusalError(f"changes need the default stream, not {name!r}")
        if table not in self.tables:
            raise _RefusalError("Requested entity was not found.", grpc.StatusCode.NOT_FOUND)
        return self.tables[table]

    def _row_class(self, request: Any, known: Any) -> Any:
        if not request.write_stream:
            raise _RefusalError("this server wants the stream's name in every request")
        if request.ByteSize() >= LARGEST_REQUEST:
            raise _RefusalError("AppendRows request too large")
        table = self._table(request.write_stream)
        descriptor = request.proto_rows.writer_schema.proto_descriptor
        if not descriptor.field:
            if known is None:
                raise _RefusalError("the first request has no schema")
            return known
        extra = [
            name
            for name, _ in _columns(descriptor)
            if name.lower() not in {each.lower() for each in (*table.writable, *PSEUDO_COLUMNS)}
        ]
        if extra:
            raise _RefusalError(
                f"Input schema has more fields than BigQuery schema, extra fields: '{','.join(extra)}'"
            )
        for name, its in _columns(descriptor):
            type_ = table.columns.get(name, "STRING")
            repeated = its.label == _Field.LABEL_REPEATED
            if its.type not in _WIRE_TYPES[type_] or repeated != type_.startswith("ARRAY"):
                raise _RefusalError(f"The proto field mismatched with BigQuery field at Row.{name}")
        return _message_class(descriptor)

    def _take(self, request: Any, row_class: Any) -> Any:
        table = self._table(request.write_stream)
        response = types.AppendRowsResponse(write_stream=request.write_stream)
        changes = []
        for index, data in enumerate(request.proto_rows.rows.serialized_rows):
            values = _decode(row_class, data)
            if (rejected := table.reject(values)) is not None:
                raise _RefusalError(rejected)
            if (ended := table.end(values)) is not None:
                raise _EndError(ended)
            reason = _fault_of(table, values) or table.refuse(values)
            if reason is not None:
                response.row_errors.append(types.RowError(index=index, code=1, message=reason))
            changes.append(values)
        if response.row_errors:
            response.error = status_pb2.Status(code=3, message="Errors found while processing rows.")
            return types.AppendRowsResponse.pb(response)
        for values in changes:
            _apply(table, values)
        response.append_result = types.AppendRowsResponse.AppendResult()
        return types.AppendRowsResponse.pb(response)


def _columns(descriptor: Any) -> Iterator[tuple[str, Any]]:
    """The fields with the names of their columns."""
    for each in descriptor.field:
        option = each.options.SerializeToString()
        if option.startswith(_COLUMN_NAME_TAG):
            length = option[len(_COLUMN_NAME_TAG)]
            yield option[len(_COLUMN_NAME_TAG) + 1 :][:length].decode(), each
        else:
            yield each.name, each


def _message_class(descriptor: Any) -> Any:
    pool = descriptor_pool.DescriptorPool()
    pool.Add(
        descriptor_pb2.FileDescriptorProto(
            name="sent.proto", package="sent", syntax="proto2", message_type=[descriptor]
        )
    )
    message = message_factory.GetMessageClass(pool.FindMessageTypeByName(f"sent.{descriptor.name}"))
    names = {each.name: name for name, each in _columns(descriptor)}
    return message, names


def _decode(row_class: Any, data: bytes) -> dict[str, Any]:
    """What is set in the row, by column."""
    message_class, names = row_class
    try:
        message = message_class.FromString(data)
    except DecodeError as error:
        raise _RefusalError("a row could not be parsed") from error
    known = message_class()
    known.CopyFrom(message)
    known.DiscardUnknownFields()
    if known.ByteSize() != message.ByteSize():
        raise _RefusalError("a row has fields that the descriptor does not have")
    return {
        names[each.name]: list(value) if each.is_repeated else value for each, value in message.ListFields()
    }


def _fault_of(table: Table, values: Mapping[str, Any]) -> str | None:
    kind, number = (values.get(name) for name in PSEUDO_COLUMNS)
    if kind not in ("UPSERT", "DELETE"):
        return f"{kind} is not a valid CHANGE_TYPE"
    if number is None or not re.fullmatch(r"[0-9A-Fa-f]{1,16}(/[0-9A-Fa-f]{1,16}){0,3}", number):
        return "not a valid change sequence number"
    if values.get(table.key) is None:
        return "the primary key has no value"
    for name, value in values.items():
        reason = _value_fault(table.columns.get(name, "STRING"), value)
        if reason is not None:
            return f"Field {name}: {reason}"
    return None


def _value_fault(type_: str, value: Any) -> str | None:
    match type_:
        case "TIMESTAMP" if not -62_135_596_800_000_000 <= value <= 253_402_300_799_999_999:
            return "out of range"
        case "DATE" if not -719_162 <= value <= 2_932_896:
            return "out of range"
        case "NUMERIC" if not re.fullmatch(r"-?[0-9]{1,29}(\.[0-9]{1,9})?", value):
            return f"Invalid NUMERIC value '{value}'"
        case "JSON":
            try:
                msgspec.json.decode(value, type=msgspec.Raw)
            except ValueError:
                return f"Invalid JSON value '{value}'"
    return None


def _apply(table: Table, values: Mapping[str, Any]) -> None:
    """Larger numbers win, section by section; of equal ones the later arrival."""
    sequence = tuple(int(section, 16) for section in values["_CHANGE_SEQUENCE_NUMBER"].split("/"))
    key = values[table.key]
    stored = table.stored.get(key)
    table.changes += 1
    if stored is not None and sequence < stored.sequence:
        return
    row = {name: value for name, value in values.items() if name not in PSEUDO_COLUMNS}
    table.stored[key] = Stored(sequence, row if values["_CHANGE_TYPE"] == "UPSERT" else None)


@asynccontextmanager
async def running_server() -> AsyncIterator[tuple[StorageWriteServer, str]]:
    """A server and its `host:port`, until the body ends."""
    serving = StorageWriteServer()
    handlers = {
        "AppendRows": grpc.stream_stream_rpc_method_handler(
            serving.append_rows,
            _REQUEST.FromString,
            lambda message: message.SerializeToString(),
        ),
        "GetWriteStream": grpc.unary_unary_rpc_method_handler(
            serving.get_write_stream,
            type(types.GetWriteStreamRequest.pb(types.GetWriteStreamRequest())).FromString,
            lambda message: message.SerializeToString(),
        ),
    }
    listening = grpc.aio.server(options=[("grpc.max_receive_message_length", -1)])
    listening.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    port = listening.add_insecure_port("127.0.0.1:0")
    await listening.start()
    try:
        yield serving, f"127.0.0.1:{port}"
    finally:
        await listening.stop(None)
