"""Asking for messages by a request: for what is looked through, and to check on a stream that is silent.

Pub/Sub answers such a request when there is something, and does not say for sure when there is nothing:
whoever is given nothing for a while takes that for none. A message that was on its way at the very end of
that while comes back when its lease ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import grpc
from google.api_core import exceptions
from google.pubsub_v1 import SubscriberAsyncClient
from google.pubsub_v1.types import PullRequest, PullResponse

from shared.bus.pubsub.calls import Calls

_SPARE_SECONDS = 2.0
_PAUSE_SECONDS = 0.2


async def pull_waiting(
    calls: Calls[SubscriberAsyncClient], subscription: str, *, max_messages: int, seconds: float
) -> Sequence[Any]:
    """What waits, as `ReceivedMessage`s, or nothing after `seconds` without; errors are those of `Calls`."""

    async def pull(client: SubscriberAsyncClient, _timeout: float) -> Sequence[Any]:
        return await pull_once(client, subscription, max_messages=max_messages, seconds=seconds)

    return await calls.make(pull, wait_seconds=seconds)


async def pull_once(
    client: SubscriberAsyncClient, subscription: str, *, max_messages: int, seconds: float
) -> Sequence[Any]:
    """As `pull_waiting`, without a second try. No answer of a server that is not connected is an error."""
    request = PullRequest(subscription=subscription, max_messages=max_messages)
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while (left := end - loop.time()) > 0:
        try:
            async with asyncio.timeout(left + _SPARE_SECONDS):
                response: PullResponse = await client.pull(request=request, retry=None, timeout=left)
        except exceptions.DeadlineExceeded:
            transport: Any = client.transport
            if transport.grpc_channel.get_state() is not grpc.ChannelConnectivity.READY:
                raise
            return ()
        if received := PullResponse.pb(response).received_messages:
            return list(received)
        await asyncio.sleep(_PAUSE_SECONDS)  # Pub/Sub may well answer with nothing at once (documented)
    return ()
