"""A stand-in for Pub/Sub: its gRPC surface as far as it is used, strict, in this process.

`python -m tests.google.pubsub_server` prints a port and serves until it is terminated.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

import grpc
import grpc.aio
from google.protobuf import empty_pb2
from google.pubsub_v1 import types

from shared.clock import SystemClock
from tests.google.pubsub_state import PubsubState, StreamLimits, Subscribed

Context = Any
Code = grpc.StatusCode

_RESPONSE_BYTES = 4 << 20
_RESPONSE_MESSAGES = 1_000
_TICK_SECONDS = 0.02
_MOST_REQUEST_BYTES = 10_000_000
_MOST_ACK_BYTES = 512 << 10
_ACK_ID = re.compile(r"[0-9]+:[0-9]+:A+")
_OPTIONS = (
    ("grpc.max_receive_message_length", 64 << 20),
    ("grpc.max_send_message_length", 64 << 20),
    ("grpc.so_reuseport", 0),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),  # Google's take our pings, too
)
_PUBLISHER = {"Publish": "PublishRequest", "CreateTopic": "Topic", "GetTopic": "GetTopicRequest"}
_SUBSCRIBER = {
    "CreateSubscription": "Subscription",
    "GetSubscription": "GetSubscriptionRequest",
    "Acknowledge": "AcknowledgeRequest",
    "ModifyAckDeadline": "ModifyAckDeadlineRequest",
    "Pull": "PullRequest",
}


@dataclass(frozen=True)
class Fault:
    """What becomes of a call: it is refused before anything happens, or it happens and its answer is lost,
    or it hangs until its caller gives up."""

    kind: Literal["refuse", "lose", "hang"]
    code: Any = Code.UNAVAILABLE
    text: str = "the stand-in was told to"


class PubsubServer:
    """Serves a state, which another one may go on serving on the same port."""

    def __init__(self, state: PubsubState) -> None:
        self.state = state
        self.port = 0
        self.faults: dict[str, deque[Fault]] = {}
        self.calls: Counter[str] = Counter()
        self.largest: dict[str, int] = {}
        """Bytes of the largest request of each method."""
        self.peers: dict[str, set[str]] = {}
        """The connections that each method was called on."""
        self.is_silent = False
        """Whether streams bring nothing, as was seen of real ones."""
        self.keeps_to_limits = True
        """Whether streams bring no more than they were allowed to."""
        self._streams: set[asyncio.Event] = set()
        self._cut_with: Any = Code.UNAVAILABLE
        self._server: Any = None
        self._ticker: asyncio.Task[None] | None = None

    @property
    def streams(self) -> int:
        """How many StreamingPulls are open."""
        return len(self._streams)

    def fault(
        self,
        method: str,
        kind: Literal["refuse", "lose", "hang"],
        code: Any = Code.UNAVAILABLE,
        *,
        times: int = 1,
    ) -> None:
        """Have the next calls of a method go wrong."""
        self.faults.setdefault(method, deque()).extend([Fault(kind, code)] * times)

    def cut_streams(self, code: Any = Code.UNAVAILABLE) -> None:
        """End every StreamingPull that is open; with None well, as if Pub/Sub had had enough."""
        self._cut_with = code
        for cut in self._streams:
            cut.set()

    async def start(self, port: int = 0) -> int:
        self._server = grpc.aio.server(options=_OPTIONS)
        publisher = {name: self._unary(name, kind) for name, kind in _PUBLISHER.items()}
        subscriber = {name: self._unary(name, kind) for name, kind in _SUBSCRIBER.items()}
        subscriber["StreamingPull"] = grpc.stream_stream_rpc_method_handler(
            self._streaming_pull,
            types.StreamingPullRequest.pb().FromString,
            lambda message: message.SerializeToString(),
        )
        handlers = {"Publisher": publisher, "Subscriber": subscriber}
        self._server.add_generic_rpc_handlers(
            [
                grpc.method_handlers_generic_handler(f"google.pubsub.v1.{service}", methods)
                for service, methods in handlers.items()
            ]
        )
        self.port = self._server.add_insecure_port(f"127.0.0.1:{port}")
        await self._server.start()
        self._ticker = asyncio.create_task(self._tick())
        return self.port

    async def stop(self) -> None:
        """As if the machine had gone: calls and streams end, the state stays."""
        if self._ticker is not None:
            self._ticker.cancel()
        if self._server is not None:
            await self._server.stop(None)
            self._server = None

    async def wait(self) -> None:
        await self._server.wait_for_termination()

    async def _tick(self) -> None:
        while True:
            self.state.tick()
            await self.state.clock.sleep(_TICK_SECONDS)

    def _unary(self, name: str, request: str) -> Any:
        work: Callable[[Any, Context], Any] = getattr(self, f"_{_snake(name)}")

        async def handle(message: Any, context: Context) -> Any:
            self.calls[name] += 1
            self.peers.setdefault(name, set()).add(context.peer())
            self.largest[name] = max(self.largest.get(name, 0), message.ByteSize())
            waiting = self.faults.get(name)
            fault = waiting.popleft() if waiting else None
            if fault is not None and fault.kind == "refuse":
                await context.abort(fault.code, fault.text)
            if fault is not None and fault.kind == "hang":
                await asyncio.Event().wait()
            answer = await work(message, context)
            if fault is not None:
                await context.abort(fault.code, fault.text)
            return answer

        return grpc.unary_unary_rpc_method_handler(
            handle, getattr(types, request).pb().FromString, lambda message: message.SerializeToString()
        )

    async def _create_topic(self, topic: Any, context: Context) -> Any:
        if topic.name in self.state.topics:
            await context.abort(Code.ALREADY_EXISTS, "Resource already exists in the project")
        self.state.topics[topic.name] = topic
        return topic

    async def _get_topic(self, request: Any, context: Context) -> Any:
        return await self._topic(request.topic, context)

    async def _publish(self, request: Any, context: Context) -> Any:
        await self._topic(request.topic, context)
        if request.ByteSize() > _MOST_REQUEST_BYTES:
            await context.abort(Code.INVALID_ARGUMENT, "The value for request_size is too large")
        if not 0 < len(request.messages) <= 1_000:
            await context.abort(Code.INVALID_ARGUMENT, "The value for message_count is not valid")
        for message in request.messages:
            if problem := _problem_of(message):
                await context.abort(Code.INVALID_ARGUMENT, problem)
        return types.PublishResponse.pb()(
            message_ids=self.state.publish(request.topic, list(request.messages))
        )

    async def _create_subscription(self, config: Any, context: Context) -> Any:
        await self._topic(config.topic, context)
        if config.name in self.state.subscriptions:
            await context.abort(Code.ALREADY_EXISTS, "Resource already exists in the project")
        if config.dead_letter_policy.dead_letter_topic:
            await self._topic(config.dead_letter_policy.dead_letter_topic, context)
            if not 5 <= config.dead_letter_policy.max_delivery_attempts <= 100:
                await context.abort(Code.INVALID_ARGUMENT, "max_delivery_attempts out of range")
        if config.ack_deadline_seconds and not 10 <= config.ack_deadline_seconds <= 600:
            await context.abort(Code.INVALID_ARGUMENT, "ack_deadline_seconds out of range")
        config.ack_deadline_seconds = config.ack_deadline_seconds or 10
        if not config.HasField("message_retention_duration"):
            config.message_retention_duration.seconds = 7 * 86_400
        if not config.HasField("expiration_policy"):
            config.expiration_policy.ttl.seconds = 31 * 86_400
        self.state.subscriptions[config.name] = Subscribed(self.state, config)
        return config

    async def _get_subscription(self, request: Any, context: Context) -> Any:
        return (await self._subscription(request.subscription, context)).config

    async def _acknowledge(self, request: Any, context: Context) -> Any:
        subscription = await self._subscription(request.subscription, context)
        await self._check_ack_ids(request, request.ack_ids, context)
        for ack_id in request.ack_ids:
            subscription.ack(ack_id)
        return empty_pb2.Empty()

    async def _modify_ack_deadline(self, request: Any, context: Context) -> Any:
        subscription = await self._subscription(request.subscription, context)
        await self._check_ack_ids(request, request.ack_ids, context)
        if not 0 <= request.ack_deadline_seconds <= 600:
            await context.abort(Code.INVALID_ARGUMENT, "The value for ack_deadline_seconds is not valid")
        for ack_id in request.ack_ids:
            subscription.modify(ack_id, request.ack_deadline_seconds)
        return empty_pb2.Empty()

    async def _check_ack_ids(self, request: Any, ack_ids: Any, context: Context) -> None:
        if not ack_ids or request.ByteSize() > _MOST_ACK_BYTES:
            await context.abort(Code.INVALID_ARGUMENT, "None, or too many, ack ids")
        if not all(_ACK_ID.fullmatch(ack_id) for ack_id in ack_ids):
            await context.abort(Code.INVALID_ARGUMENT, "You have passed an invalid ack ID to the service")

    async def _pull(self, request: Any, context: Context) -> Any:
        subscription = await self._subscription(request.subscription, context)
        if request.max_messages < 1:
            await context.abort(Code.INVALID_ARGUMENT, "max_messages must be positive")
        while not subscription.ready:
            subscription.changed.clear()
            await subscription.changed.wait()
        received = subscription.lease(
            request.max_messages, _RESPONSE_BYTES, subscription.config.ack_deadline_seconds, None
        )
        return types.PullResponse.pb()(received_messages=received)

    async def _streaming_pull(self, requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
        self.calls["StreamingPull"] += 1
        self.peers.setdefault("StreamingPull", set()).add(context.peer())
        waiting = self.faults.get("StreamingPull")
        if waiting:
            fault = waiting.popleft()
            await context.abort(fault.code, fault.text)
        first = await anext(requests)
        subscription = await self._subscription(first.subscription, context)
        if not 10 <= first.stream_ack_deadline_seconds <= 600 or not first.client_id:
            await context.abort(Code.INVALID_ARGUMENT, "stream_ack_deadline_seconds or client_id")
        limits = StreamLimits(
            first.max_outstanding_messages, first.max_outstanding_bytes, first.stream_ack_deadline_seconds
        )
        cut = asyncio.Event()
        self._streams.add(cut)
        reading = asyncio.create_task(_read_on(requests, cut))
        try:
            async for response in self._responses(subscription, limits, cut):
                yield response
            if reading.done() and (problem := reading.result()):
                await context.abort(Code.INVALID_ARGUMENT, problem)
            if not reading.done() and self._cut_with is not None:
                await context.abort(self._cut_with, "The service was unable to fulfill your request")
        finally:
            self._streams.discard(cut)
            reading.cancel()

    async def _responses(
        self, subscription: Subscribed, limits: StreamLimits, cut: asyncio.Event
    ) -> AsyncIterator[Any]:
        is_cut = asyncio.ensure_future(cut.wait())
        try:
            while not cut.is_set():
                subscription.changed.clear()
                messages, size = limits.room if self.keeps_to_limits else (1 << 30, 1 << 40)
                if messages > 0 and size > 0 and subscription.ready and not self.is_silent:
                    received = subscription.lease(
                        min(messages, _RESPONSE_MESSAGES), min(size, _RESPONSE_BYTES), limits.deadline, limits
                    )
                    yield types.StreamingPullResponse.pb()(received_messages=received)
                    continue
                changed = asyncio.ensure_future(subscription.changed.wait())
                await asyncio.wait((changed, is_cut), return_when=asyncio.FIRST_COMPLETED)
                changed.cancel()
        finally:
            is_cut.cancel()

    async def _topic(self, name: str, context: Context) -> Any:
        if name not in self.state.topics:
            await context.abort(Code.NOT_FOUND, f"Resource not found (resource={name}).")
        return self.state.topics[name]

    async def _subscription(self, name: str, context: Context) -> Subscribed:
        if name not in self.state.subscriptions:
            await context.abort(Code.NOT_FOUND, f"Resource not found (resource={name}).")
        return self.state.subscriptions[name]


async def _read_on(requests: AsyncIterator[Any], cut: asyncio.Event) -> str:
    """Take the later requests of a stream, which are heartbeats; what is wrong with one that is not."""
    with contextlib.suppress(asyncio.CancelledError):
        try:
            async for request in requests:
                if request.subscription or request.max_outstanding_messages or request.client_id:
                    return "only the first request may say that"
        finally:
            cut.set()
    return ""


def _problem_of(message: Any) -> str:
    if not message.data and not message.attributes:
        return "One or more messages in the publish request is empty"
    if len(message.attributes) > 100:
        return "The value for attribute_count is too large"
    for key, value in message.attributes.items():
        if not key or len(key.encode()) > 256 or len(value.encode()) > 1_024 or key.startswith("goog"):
            return f"Attribute {key!r} is not valid"
    return ""


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


@asynccontextmanager
async def running_pubsub(state: PubsubState) -> AsyncIterator[PubsubServer]:
    """A server on a free port, until the body ends."""
    server = PubsubServer(state)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def _main() -> None:
    async with running_pubsub(PubsubState(SystemClock())) as server:
        print(server.port, flush=True)
        await server.wait()


if __name__ == "__main__":
    asyncio.run(_main())
