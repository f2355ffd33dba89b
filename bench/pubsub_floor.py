"""The least that publishing to and reading from Pub/Sub costs: raw gRPC calls with ready-made requests."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import grpc.aio
from google.pubsub_v1 import types

from shared.google.endpoints import CHANNEL_OPTIONS

_PER_REQUEST = 100
_LANES = 8
_ACK_DEADLINE = 60


async def publish(address: str, topic: str, body: bytes, count: int) -> None:
    """`count` messages in requests of a hundred, eight of them at a time."""
    message = types.PubsubMessage.pb()(data=body, attributes={"table": "time_entries"})
    request = types.PublishRequest.pb()(topic=topic, messages=[message] * _PER_REQUEST)
    async with grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS) as channel:
        call = channel.unary_unary(
            "/google.pubsub.v1.Publisher/Publish",
            request_serializer=type(request).SerializeToString,
            response_deserializer=types.PublishResponse.pb().FromString,
        )

        async def lane() -> None:
            for _ in range(count // _PER_REQUEST // _LANES):
                await call(request)

        await asyncio.gather(*(lane() for _ in range(_LANES)))


async def read(address: str, subscription: str, count: int) -> None:
    """Take `count` messages from one stream, and ack them on it."""
    request = types.StreamingPullRequest.pb()
    async with grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS) as channel:
        stream: Any = channel.stream_stream(
            "/google.pubsub.v1.Subscriber/StreamingPull",
            request_serializer=request.SerializeToString,
            response_deserializer=types.StreamingPullResponse.pb().FromString,
        )()
        await stream.write(
            request(subscription=subscription, stream_ack_deadline_seconds=_ACK_DEADLINE, client_id="floor")
        )
        taken = 0
        while taken < count:
            response = await stream.read()
            ack_ids = [received.ack_id for received in response.received_messages]
            taken += len(ack_ids)
            await stream.write(request(ack_ids=ack_ids))
        await stream.done_writing()
