"""Telling Pub/Sub about leases: done with, longer, or to be delivered again; gathered into few requests.

Told by requests of their own and not on the stream of messages, as these are answered: an ack that was lost
is known to be, and is sent again. Acking twice, or too late, is no error to Pub/Sub (documented).
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

from google.pubsub_v1 import SubscriberAsyncClient
from google.pubsub_v1.types import AcknowledgeRequest, ModifyAckDeadlineRequest

from shared.bus.limits import MAX_LEASE_SECONDS, BusSettings
from shared.bus.pubsub.batching import Batcher
from shared.bus.pubsub.calls import Calls, send_or_halve

_REQUEST_IDS = 1_000
_REQUEST_BYTES = 400_000
"""Pub/Sub documents 512 KiB for a request to acknowledge or to modify deadlines."""

_FRAMING_BYTES = 4
_LANES = 4
_WAITING_BYTES = 64 << 20
_WAITING_SECONDS = 60.0


class Acking:
    """The leases of one subscription, by their ack ids."""

    def __init__(self, subscription: str, calls: Calls[SubscriberAsyncClient], settings: BusSettings) -> None:
        self._subscription = subscription
        self._calls = calls
        self._lease_seconds = lease_seconds_of(settings)
        self._acks = Batcher(
            self._send_acks,
            most_items=_REQUEST_IDS,
            most_weight=_REQUEST_BYTES,
            lanes=_LANES,
            room=_WAITING_BYTES,
        )
        self._deadlines = Batcher(
            self._send_deadlines,
            most_items=_REQUEST_IDS,
            most_weight=_REQUEST_BYTES,
            lanes=_LANES,
            room=_WAITING_BYTES,
        )

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being told."""
        return self._acks.is_idle and self._deadlines.is_idle

    async def ack(self, ack_ids: Sequence[str]) -> None:
        """Return when Pub/Sub knows that these are done with."""
        items = [(ack_id, len(ack_id) + _FRAMING_BYTES) for ack_id in ack_ids]
        await self._acks.submit(items, room_seconds=_WAITING_SECONDS)

    async def extend(self, ack_ids: Sequence[str]) -> None:
        """Start the time of these leases anew."""
        await self.keep_away(ack_ids, self._lease_seconds)

    async def keep_away(self, ack_ids: Sequence[str], seconds: float) -> None:
        """Have these delivered again after so long, at once for zero; at most ten minutes are possible."""
        whole = math.ceil(max(0.0, min(seconds, MAX_LEASE_SECONDS)))
        items = [((ack_id, whole), len(ack_id) + _FRAMING_BYTES) for ack_id in ack_ids]
        await self._deadlines.submit(items, room_seconds=_WAITING_SECONDS)

    async def close(self, seconds: float) -> None:
        """Let what was said be heard, for so long at the most."""
        await asyncio.gather(self._acks.finish(seconds), self._deadlines.finish(seconds))

    async def _send_acks(self, ack_ids: Sequence[str]) -> Sequence[Exception | None]:
        return await send_or_halve(ack_ids, self._acknowledge, _lease_has_ended)

    async def _acknowledge(self, ack_ids: Sequence[str]) -> None:
        request = AcknowledgeRequest(subscription=self._subscription, ack_ids=ack_ids)

        async def acknowledge(client: SubscriberAsyncClient, seconds: float) -> None:
            await client.acknowledge(request=request, retry=None, timeout=seconds)

        await self._calls.make(acknowledge)

    async def _send_deadlines(self, items: Sequence[tuple[str, int]]) -> Sequence[Exception | None]:
        return await send_or_halve(items, self._modify, _lease_has_ended)

    async def _modify(self, items: Sequence[tuple[str, int]]) -> None:
        for seconds in {seconds for _, seconds in items}:
            await self._modify_alike([ack_id for ack_id, mine in items if mine == seconds], seconds)

    async def _modify_alike(self, ack_ids: Sequence[str], seconds: int) -> None:
        request = ModifyAckDeadlineRequest(
            subscription=self._subscription, ack_ids=ack_ids, ack_deadline_seconds=seconds
        )

        async def modify(client: SubscriberAsyncClient, timeout_seconds: float) -> None:
            await client.modify_ack_deadline(request=request, retry=None, timeout=timeout_seconds)

        await self._calls.make(modify)


def lease_seconds_of(settings: BusSettings) -> int:
    """The lease in whole seconds; Pub/Sub documents 10 as the shortest of a stream or a subscription."""
    return max(10, math.ceil(settings.lease_seconds))


def _lease_has_ended(_refusal: Exception) -> None:
    """What an id that Pub/Sub does not take any more means; on a subscription that delivers exactly once
    it says so (FAILED_PRECONDITION), and the other ids of the request count all the same."""
