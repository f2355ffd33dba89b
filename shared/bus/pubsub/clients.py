"""Google's asyncio clients, each on a connection of its own that can be replaced while it is in use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from google.pubsub_v1 import PublisherAsyncClient, SubscriberAsyncClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcAsyncIOTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcAsyncIOTransport

from shared.errors import StorageError
from shared.google.endpoints import PUBSUB, grpc_transport

C = TypeVar("C")

_GRACE_SECONDS = 60.0
"""How long calls that are under way on a replaced connection may take to end."""


class Renewable(Generic[C]):
    """A client that is opened at its first use, and replaced when its connection seems dead."""

    def __init__(self, make: Callable[[], C]) -> None:
        self._make = make
        self._client: C | None = None
        self._leaving: set[asyncio.Task[None]] = set()
        self._is_closed = False

    def get(self) -> C:
        """The client of the moment; `StorageError` when it is closed for good."""
        if self._is_closed:
            raise StorageError("the bus is closed")
        if self._client is None:
            self._client = self._make()
        return self._client

    def renew(self, seen: C) -> None:
        """Have the next call use a new connection, unless somebody has already seen to it.

        Calls on the old one may end: closing it at once would cancel them, and look like our own cancelling.
        """
        if self._client is seen:
            self._client = None
            task = asyncio.create_task(_close(seen, _GRACE_SECONDS))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    async def close(self) -> None:
        """Close whatever is open, at once."""
        self._is_closed = True
        for task in self._leaving:
            task.cancel()
        await asyncio.gather(*self._leaving, return_exceptions=True)
        if self._client is not None:
            client, self._client = self._client, None
            await _close(client, 0.0)


class Clients:
    """What one bus talks with: requests to publish, requests about messages, and the stream of messages."""

    def __init__(self) -> None:
        self.publisher = Renewable(_publisher)
        self.subscriber = Renewable(_subscriber)
        self.stream = Renewable(_subscriber)

    async def close(self) -> None:
        """Close all connections; calls that are under way are cancelled."""
        await asyncio.gather(self.publisher.close(), self.subscriber.close(), self.stream.close())


def _publisher() -> PublisherAsyncClient:
    return PublisherAsyncClient(transport=grpc_transport(PUBSUB, PublisherGrpcAsyncIOTransport))


def _subscriber() -> SubscriberAsyncClient:
    return SubscriberAsyncClient(transport=grpc_transport(PUBSUB, SubscriberGrpcAsyncIOTransport))


async def _close(client: Any, grace: float) -> None:
    await client.transport.grpc_channel.close(grace)
