"""The stream that Pub/Sub delivers messages on, held open for as long as the bus is read.

Pub/Sub closes every stream sooner or later (documented, most often UNAVAILABLE): it is opened again. Streams
were seen by others to stay open and bring nothing for hours although messages wait, so one that is silent is
checked on: a request that pulls finds out, and when it brings something the stream is opened on a new
connection. Such a pull costs less than looking into Cloud Monitoring, needs no further permission, and knows
now rather than minutes later.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Any

from google.api_core import exceptions
from google.pubsub_v1.types import StreamingPullRequest, StreamingPullResponse

from shared.bus.limits import BusSettings
from shared.bus.pubsub.acking import Acking, lease_seconds_of
from shared.bus.pubsub.calls import pause_after
from shared.bus.pubsub.clients import Clients
from shared.bus.pubsub.failures import translated
from shared.bus.pubsub.holding import LONGEST_HOLD_SECONDS, Held, Holding
from shared.bus.pubsub.names import Names
from shared.bus.pubsub.pulling import pull_once
from shared.clock import Clock
from shared.errors import IngestError, OwnerError
from shared.google.failures import is_transient

log = logging.getLogger(__name__)

_HEARTBEAT_SECONDS = 25.0
"""Pub/Sub takes a stream for dead whose client has said nothing for a minute (seen in Google's client)."""

_STREAM_SECONDS = 1_800.0
"""A stream is opened anew after this, as Pub/Sub would do about as often."""

_HEALTHY_SECONDS = 5.0
"""A stream that lasted so long, or brought something, is none that failed to open."""

_OVERRUN = 2
"""How many times over its limits the server may be before no more is read from the stream."""

_PROBE_SECONDS = 3.0
_PROBE_MESSAGES = 10
_SHORTEST_LEASE_SECONDS = 10.0


class Stream:
    """Brings messages into `holding`, and keeps the leases of those that wait there."""

    def __init__(
        self,
        names: Names,
        clients: Clients,
        holding: Holding,
        acking: Acking,
        *,
        clock: Clock,
        settings: BusSettings,
    ) -> None:
        self._names = names
        self._clients = clients
        self._holding = holding
        self._acking = acking
        self._clock = clock
        self._settings = settings
        self._lease_seconds = lease_seconds_of(settings)
        self._client_id = str(uuid.uuid4())
        self._tasks: list[asyncio.Task[None]] = []
        self._reading: asyncio.Task[None] | None = None
        self._has_room = asyncio.Event()
        self._responses = 0
        self._failures = 0
        self._told = 0
        self._open_since: float | None = None
        self._failing_since: float | None = None
        self._error: IngestError | None = None

    @property
    def is_open(self) -> bool:
        """Whether anybody has asked for messages, and nobody has closed it since."""
        return bool(self._tasks)

    @property
    def trouble(self) -> IngestError | None:
        """What a reader has to know: that a person must act, or that nothing was reached for long."""
        if self._error is None or self._failing_since is None:
            return None
        lasting = self._clock.monotonic() - self._failing_since >= self._settings.retry_seconds
        return self._error if lasting or isinstance(self._error, OwnerError) else None

    def news(self) -> IngestError | None:
        """The trouble, once for each time that the stream could not be opened."""
        if self._failures == self._told:
            return None
        trouble = self.trouble
        if trouble is not None:
            self._told = self._failures
        return trouble

    @property
    def open_since(self) -> float | None:
        """When (the clock's monotonic seconds) the stream was opened that is open now; None when none is."""
        return self._open_since

    def open(self) -> None:
        """Begin to bring messages, if it has not begun."""
        if not self._tasks:
            self._holding.last_arrival = self._clock.monotonic()
            self._tasks = [
                asyncio.create_task(self._keep_open()),
                asyncio.create_task(self._keep_leases()),
                asyncio.create_task(self._keep_watch()),
            ]

    def room_changed(self) -> None:
        """Something that was held is not any more."""
        self._has_room.set()

    async def close(self) -> None:
        """Bring no more."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep_open(self) -> None:
        while True:
            opened, responses = self._clock.monotonic(), self._responses
            self._reading = asyncio.create_task(self._read())
            try:
                await asyncio.wait([self._reading])
            finally:
                self._reading.cancel()
                await asyncio.gather(self._reading, return_exceptions=True)
            lasted = self._clock.monotonic() - opened
            error = None if self._reading.cancelled() else self._reading.exception()
            self._ended(error, was_healthy=lasted >= _HEALTHY_SECONDS or self._responses > responses)
            await self._clock.sleep(pause_after(max(1, self._failures)))

    def _ended(self, error: BaseException | None, *, was_healthy: bool) -> None:
        if was_healthy:
            self._is_well()
        if not isinstance(error, Exception):
            return
        if self._failing_since is None:
            self._failing_since = self._clock.monotonic()
        self._failures += 1
        self._error = translated(error, self._names)
        if self._failures == 1 and not is_transient(error):
            log.warning("the stream of messages cannot be opened: %s", self._error)
        self._holding.arrivals.notify()  # whoever waits for messages may have to know

    async def _read(self) -> None:
        async with asyncio.timeout(_STREAM_SECONDS + self._settings.request_seconds):
            client = self._clients.stream.get()
            ended = asyncio.Event()
            try:
                async with asyncio.timeout(self._settings.request_seconds):
                    stream: Any = await client.streaming_pull(
                        requests=self._requests(ended), retry=None, timeout=_STREAM_SECONDS
                    )
            except TimeoutError:
                ended.set()
                self._clients.stream.renew(client)
                raise
            self._open_since = self._clock.monotonic()
            settling = asyncio.create_task(self._settle())
            try:
                async for response in stream:
                    await self._take_in(StreamingPullResponse.pb(response).received_messages)
            except exceptions.DeadlineExceeded:
                return  # by our own wish
            finally:
                self._open_since = None
                settling.cancel()
                ended.set()
                stream.cancel()

    async def _settle(self) -> None:
        """A stream that stays open is a good one, also when nothing comes."""
        await self._clock.sleep(_HEALTHY_SECONDS)
        self._is_well()

    def _is_well(self) -> None:
        self._failures, self._told, self._failing_since, self._error = 0, 0, None, None

    async def _requests(self, ended: asyncio.Event) -> AsyncIterator[StreamingPullRequest]:
        yield StreamingPullRequest(
            subscription=self._names.subscription,
            stream_ack_deadline_seconds=self._lease_seconds,
            client_id=self._client_id,
            max_outstanding_messages=self._settings.max_outstanding_messages,
            max_outstanding_bytes=self._settings.max_outstanding_bytes,
        )
        while not ended.is_set():
            try:
                async with asyncio.timeout(_HEARTBEAT_SECONDS):
                    await ended.wait()
            except TimeoutError:
                yield StreamingPullRequest()

    async def _take_in(self, received: Sequence[Any]) -> None:
        self._responses += 1
        self._is_well()
        self._holding.receive(received, lease_seconds=self._lease_seconds)
        while self._is_overrun():
            self._has_room.clear()
            await self._has_room.wait()

    def _is_overrun(self) -> bool:
        """Whether there is far more here than was asked for; then Pub/Sub's buffers may fill instead."""
        return (
            len(self._holding) > _OVERRUN * self._settings.max_outstanding_messages
            or self._holding.bytes > _OVERRUN * self._settings.max_outstanding_bytes + (10 << 20)
        )

    async def _keep_leases(self) -> None:
        while True:
            await self._clock.sleep(self._lease_seconds / 3)
            if ended := self._holding.drop_ended():
                log.info("%d leases ended before their messages were acked", ended)
                self._has_room.set()
            now = self._clock.monotonic()
            too_long = [
                held for held in self._holding.waiting() if now - held.arrived >= LONGEST_HOLD_SECONDS
            ]
            with contextlib.suppress(IngestError):
                # Nobody here reads: somebody else may.
                await self.give_back(too_long)
                await self.extend(self._holding.waiting())

    async def give_back(self, held: Sequence[Held]) -> None:
        """Have these delivered again at once, to whoever reads."""
        self._holding.drop([one.ack_id for one in held])
        self._has_room.set()
        await self._acking.keep_away([one.ack_id for one in held], 0.0)

    async def extend(self, held: Sequence[Held]) -> None:
        """Start the time of these leases anew."""
        ack_ids = [one.ack_id for one in held]
        asked_at = self._clock.monotonic()
        await self._acking.extend(ack_ids)
        self._holding.extended(ack_ids, asked_at=asked_at)

    async def _keep_watch(self) -> None:
        while True:
            silent = self._clock.monotonic() - self._holding.last_arrival
            if silent < self._settings.silent_seconds:
                await self._clock.sleep(self._settings.silent_seconds - silent)
                continue
            may_come = len(self._holding) < self._settings.max_outstanding_messages
            if may_come and not self._holding.waiting() and self._reading is not None:
                try:
                    await self._check_on(self._reading)
                except Exception as error:
                    # The stream's own failure is what readers are told of; this has to go on watching.
                    log.info("the stream of messages cannot be checked on: %s", error)
            await self._clock.sleep(self._settings.silent_seconds)

    async def _check_on(self, reading: asyncio.Task[None]) -> None:
        responses = self._responses
        client = self._clients.stream.get()
        received = await pull_once(
            self._clients.subscriber.get(),
            self._names.subscription,
            max_messages=_PROBE_MESSAGES,
            seconds=_PROBE_SECONDS,
        )
        if not received:
            return
        news = self._holding.receive(received, lease_seconds=_SHORTEST_LEASE_SECONDS)
        with contextlib.suppress(IngestError):
            await self.extend(news)  # the subscription's own lease may be a short one
        if self._responses == responses:
            log.warning("messages wait, and the stream brought none of them: it is opened anew")
            self._clients.stream.renew(client)
            reading.cancel()
