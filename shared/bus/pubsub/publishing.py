"""Publishing: requests made of what concurrent callers give, and an end to every wait.

Bodies are not compressed by gRPC: those worth it are already compressed when they come here, gzip would cost
the rest more of the processor than a request does, and Pub/Sub bills what a message has uncompressed.
"""

from __future__ import annotations

from collections.abc import Sequence

from google.api_core import exceptions
from google.protobuf.message import Message as PbMessage
from google.pubsub_v1 import PublisherAsyncClient
from google.pubsub_v1.types import PublishRequest, PublishResponse, PubsubMessage

from shared.bus.limits import MAX_MESSAGE_BYTES, BusSettings, checked_size
from shared.bus.port import Message
from shared.bus.pubsub.batching import Batcher
from shared.bus.pubsub.calls import Calls, send_or_halve
from shared.bus.pubsub.failures import refused_message
from shared.errors import BackpressureError, RecordError

_REQUEST_MESSAGES = 1_000
_REQUEST_BYTES = 4 << 20
_LANES = 8
_FRAMING_BYTES = 10
"""What a request needs for each message and for its topic's tag at most, beside their own bytes."""

_new_message = PubsubMessage.pb()
_new_request = PublishRequest.pb()


class Publishing:
    """Publishes to one topic. `MAX_MESSAGE_BYTES` is Pub/Sub's limit of a whole request (documented)."""

    def __init__(self, topic: str, calls: Calls[PublisherAsyncClient], settings: BusSettings) -> None:
        self._topic = topic
        self._calls = calls
        self._settings = settings
        self._batcher: Batcher[PbMessage] = Batcher(
            self._send,
            most_items=_REQUEST_MESSAGES,
            most_weight=_REQUEST_BYTES,
            lanes=_LANES,
            room=settings.max_unpublished_bytes,
        )

    @property
    def is_idle(self) -> bool:
        """Whether nothing is on its way."""
        return self._batcher.is_idle

    async def publish(self, messages: Sequence[Message]) -> None:
        """See `Bus.publish`."""
        await self._publish([self._ready(message) for message in messages])

    async def close(self, seconds: float) -> None:
        """Let what is on its way arrive, for so long at the most."""
        await self._batcher.finish(seconds)

    def _ready(self, message: Message) -> tuple[PbMessage, int]:
        checked_size(message)
        ready = _new_message(data=message.body, attributes=message.attributes)
        size = ready.ByteSize()
        if size + len(self._topic) + _FRAMING_BYTES > MAX_MESSAGE_BYTES:
            raise RecordError(
                f"a message of {size:,} bytes, with its attributes as they are sent, is over the limit of "
                f"{MAX_MESSAGE_BYTES:,}",
                advice="Split the batch, or put the record into the objects and publish its name.",
            )
        return ready, size

    async def _publish(self, ready: Sequence[tuple[PbMessage, int]]) -> None:
        try:
            await self._batcher.submit(ready, room_seconds=self._settings.publish_deadline_seconds)
        except TimeoutError:
            raise BackpressureError(
                f"the bus took messages too slowly ({self._settings.max_unpublished_bytes:,} bytes wait) "
                f"for {self._settings.publish_deadline_seconds:g} s",
                advice="Look at the network, and at Pub/Sub's quotas for publishing in this region.",
            ) from None

    async def _send(self, messages: Sequence[PbMessage]) -> Sequence[Exception | None]:
        return await send_or_halve(messages, self._request, self._refused)

    async def _request(self, messages: Sequence[PbMessage]) -> None:
        request = PublishRequest.wrap(_new_request(topic=self._topic, messages=messages))
        size = sum(message.ByteSize() for message in messages)

        async def publish(client: PublisherAsyncClient, seconds: float) -> PublishResponse:
            return await client.publish(request=request, retry=None, timeout=seconds)

        await self._calls.make(publish, size=size)

    def _refused(self, error: Exception) -> Exception:
        if isinstance(error, exceptions.InvalidArgument):
            return refused_message(error)
        return self._calls.in_our_words(error)
