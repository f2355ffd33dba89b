"""One stream of requests to one table's default stream, and the answers that come back in their order.

What the protocol wants (documented): the first request carries the descriptor of the rows, a later one only
if it changes; the stream's name may be left out of later requests, but is always sent, as some stand-ins
want it. There is one answer per request, in order. The name is also sent as a header, by which Google
routes the call to the region of the table (as its own clients do).
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Any

from google.api_core.gapic_v1 import routing_header
from google.cloud.bigquery_storage_v1 import types
from google.cloud.bigquery_storage_v1.services.big_query_write import BigQueryWriteAsyncClient

from shared.warehouse.bigquery.answers import (
    Answer,
    Broken,
    Confirmed,
    RequestRefused,
    RowsRefused,
    answer_of,
    answer_to,
)
from shared.warehouse.bigquery.append_settings import AppendSettings
from shared.warehouse.bigquery.parcels import Parcel
from shared.warehouse.bigquery.room import Room

_TRACE_ID = "productive-ingest"


def default_stream(table: str) -> str:
    """The name of the stream that every table has and that never has to be made."""
    return f"{table}/streams/_default"


@dataclass(frozen=True, slots=True)
class _Unanswered:
    answer: asyncio.Future[Answer]
    size: int
    with_schema: bool


class _Outgoing:
    """Requests on their way, as gRPC takes them: an iterator that ends when it is told to.

    An iterator that never ends would keep gRPC's own task waiting after the call is over.
    """

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Any] = asyncio.Queue()  # bounded by the connection's room
        self._ended = False

    def put(self, request: Any) -> None:
        self._queue.put_nowait(request)

    def end(self) -> None:
        self._ended = True
        self._queue.put_nowait(None)

    def __aiter__(self) -> _Outgoing:
        return self

    async def __anext__(self) -> Any:
        request = None if self._ended else await self._queue.get()
        if request is None:
            raise StopAsyncIteration
        return request


class Connection:
    """Opens with the first request, and is of no more use once it has `ended`: make another one then.

    One task belongs to it, which ends with it; `abort` and `wait_ended` make sure of that.
    """

    def __init__(self, client: BigQueryWriteAsyncClient, table: str, settings: AppendSettings) -> None:
        self._client = client
        self._table = table
        self._stream = default_stream(table)
        self._settings = settings
        self._room = Room(requests=settings.requests_in_flight, bytes_=settings.bytes_in_flight)
        self._outgoing = _Outgoing()
        self._unanswered: deque[_Unanswered] = deque()
        self._schema: bytes | None = None
        self._task: asyncio.Task[None] | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._progress = 0.0
        self._started = False
        self._proved = asyncio.Event()
        self._ending: Answer | None = None

    async def send(self, parcel: Parcel, schema: bytes) -> Answer:
        """Send rows that were encoded by this serialized descriptor; returns with the answer to them.

        Waits while too much is unanswered. A caller that is cancelled does not know what became of the rows.
        """
        size = parcel.size
        if self._started:
            # gRPC hides why a stream ended if more was being written meanwhile (it says "Internal error from
            # Core"). The first request goes alone, so that what is wrong with the table comes to light.
            await self._proved.wait()
        self._started = True
        await self._room.take(size)
        if self._ending is not None:
            self._room.give(size)
            return self._ending
        loop = asyncio.get_running_loop()
        sent = _Unanswered(loop.create_future(), size, with_schema=schema != self._schema)
        if not self._unanswered:
            self._progress = loop.time()
        self._unanswered.append(sent)
        self._outgoing.put(self._request(parcel, schema))
        if self._task is None:
            self._task = loop.create_task(self._run())
        self._watch()
        return await sent.answer

    @property
    def ended(self) -> bool:
        """Whether it is of no more use."""
        return self._ending is not None

    def abort(self) -> None:
        """Give it up; what is unanswered is answered `Broken`."""
        self._end(Broken("the connection was closed"))
        if self._task is not None:
            self._task.cancel()

    async def wait_ended(self) -> None:
        """Wait until nothing of an aborted connection is left."""
        if self._task is not None:
            await asyncio.wait([self._task])

    def _request(self, parcel: Parcel, schema: bytes) -> Any:
        # The plain protobuf message: proto-plus would copy every row.
        request = types.AppendRowsRequest.pb(types.AppendRowsRequest())
        request.write_stream = self._stream
        if self._schema is None:
            request.trace_id = _TRACE_ID
        if schema != self._schema:
            request.proto_rows.writer_schema.proto_descriptor.ParseFromString(schema)
            self._schema = schema
        request.proto_rows.rows.serialized_rows.extend(parcel.rows)
        return types.AppendRowsRequest.wrap(request)

    async def _run(self) -> None:
        answer: Answer = Broken("the server closed the connection")
        # The transport's own call, as the client's method gives none to cancel while it is being opened.
        append_rows: Any = self._client.transport.append_rows
        routing = routing_header.to_grpc_metadata((("write_stream", self._stream),))
        call: Any = None
        try:
            call = append_rows(self._outgoing, metadata=(routing,))
            async with asyncio.timeout(self._settings.open_seconds):
                await call.wait_for_connection()
            async for response in call:
                self._answered(answer_to(response, self._table))
        except Exception as error:
            answer = answer_of(error, self._table)
        finally:
            self._end(answer)
            if call is not None:
                call.cancel()

    def _answered(self, answer: Answer) -> None:
        if not self._unanswered:
            self.abort()  # an answer to nothing: whatever comes next would be taken for another one
            return
        self._progress = asyncio.get_running_loop().time()
        self._proved.set()
        first = self._unanswered.popleft()
        self._room.give(first.size)
        if not first.answer.done():
            first.answer.set_result(answer)
        if first.with_schema and not isinstance(answer, Confirmed | RowsRefused):
            # Nobody says whether the server kept the descriptor. Without it the next rows mean nothing to it.
            self.abort()

    def _end(self, answer: Answer) -> None:
        """Answer everything that is unanswered; a status that refuses a request is about the oldest one."""
        if self._ending is not None:
            return
        self._ending = Broken(answer.reason) if isinstance(answer, RequestRefused) else answer
        self._outgoing.end()
        self._proved.set()
        if self._alarm is not None:
            self._alarm.cancel()
        while self._unanswered:
            self._answered(answer)
            answer = self._ending

    def _watch(self) -> None:
        if self._alarm is None and not self.ended:
            loop = asyncio.get_running_loop()
            due = self._progress + self._settings.response_seconds
            self._alarm = loop.call_at(due, self._check)

    def _check(self) -> None:
        # A stream can go silent for good without an error: only time tells.
        self._alarm = None
        if not self._unanswered:
            return
        silent = asyncio.get_running_loop().time() - self._progress
        if silent >= self._settings.response_seconds:
            self._end(Broken(f"no answer for {silent:.0f} s"))
            self.abort()
        else:
            self._watch()
