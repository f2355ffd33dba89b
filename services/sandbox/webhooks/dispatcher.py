"""Sends what happens in the organization to whoever registered for it, as Productive does."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
from collections import deque
from dataclasses import replace

from services.sandbox.organization import Change, Organization
from services.sandbox.schema import Schema
from services.sandbox.webhooks.delivery import Attempt, Counters, Delivery
from services.sandbox.webhooks.events import event_of
from services.sandbox.webhooks.journal import Journal
from services.sandbox.webhooks.payload import Payloads
from services.sandbox.webhooks.post import Poster
from services.sandbox.webhooks.registrations import Registration, Registrations
from services.sandbox.webhooks.settings import WebhookSettings
from services.sandbox.webhooks.signing import HEADER, Signer
from shared.clock import MICROSECONDS, Clock


class Dispatcher:
    """Between `start` and `stop` every change is told; what is still waiting at `stop` is forgotten."""

    def __init__(
        self,
        organization: Organization,
        schema: Schema,
        settings: WebhookSettings,
        *,
        seed: int,
        time_scale: float,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._time_scale = time_scale
        self._clock = clock
        self._registrations = Registrations(organization, settings)
        self._payloads = Payloads(organization, schema, settings, seed=seed)
        self._journal = Journal(organization, settings)
        self._signer = Signer()
        self._random = random.Random(f"deliveries {seed}")  # noqa: S311 -- made to be repeatable
        self._numbers = itertools.count(1)
        self._places = itertools.count()
        self._waiting: list[tuple[float, int, Delivery]] = []
        self._open = 0
        self._nothing_open = asyncio.Event()
        self._nothing_open.set()
        self._sooner = asyncio.Event()
        self._free = asyncio.Semaphore(settings.concurrency)
        self._poster: Poster | None = None
        self._pump: asyncio.Task[None] | None = None
        self._sending: set[asyncio.Task[None]] = set()
        self.counters = Counters()
        self.sent: deque[Attempt] = deque(maxlen=settings.sent_size)
        """The last attempts, oldest first."""
        organization.subscribe(self._hear)

    async def start(self) -> None:
        """Begin to send."""
        # A delivery that was ended before it began has not given its place back.
        self._free = asyncio.Semaphore(self._settings.concurrency)
        self._poster = Poster(concurrency=self._settings.concurrency, timeout=self._settings.timeout)
        self._pump = asyncio.create_task(self._run(self._poster), name="webhooks")

    async def stop(self) -> None:
        """Give up what is under way, and forget what is waiting."""
        tasks = [*self._sending, *([self._pump] if self._pump else [])]
        self._pump = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._poster is not None:
            await self._poster.close()
            self._poster = None
        self._waiting.clear()
        self._open = 0
        self._nothing_open.set()

    async def idle(self) -> None:
        """Return when nothing is queued, waiting for a retry or under way."""
        await self._nothing_open.wait()

    def _hear(self, change: Change) -> None:
        event = event_of(change) if self._pump is not None else None
        if event is None:
            return
        listening = self._registrations.listening(event.id)
        if not listening:
            return
        body = self._payloads.body(event, change)
        for one in listening:
            delivery = Delivery(
                next(self._numbers), one.id, event, change.table, change.id, change.at_us, body
            )
            self._queue(delivery)
            if self._random.random() < self._settings.duplicate_share:
                self.counters.duplicates += self._queue(replace(delivery))

    def _queue(self, delivery: Delivery) -> bool:
        if self._open >= self._settings.queue_size:
            self.counters.dropped += 1
            return False
        self.counters.queued += 1
        self._open += 1
        self._nothing_open.clear()
        held = self._random.random() * self._settings.shuffle if self._settings.shuffle else 0.0
        self._push(delivery, self._settings.delay + held)
        return True

    def _push(self, delivery: Delivery, seconds: float) -> None:
        entry = (self._clock.monotonic() + seconds, next(self._places), delivery)
        heapq.heappush(self._waiting, entry)
        if self._waiting[0] is entry:
            self._sooner.set()

    async def _run(self, poster: Poster) -> None:
        while True:
            self._sooner.clear()
            if not self._waiting:
                await self._sooner.wait()
            elif (seconds := self._waiting[0][0] - self._clock.monotonic()) > 0:
                await self._pause(seconds)
            else:
                await self._free.acquire()
                delivery = heapq.heappop(self._waiting)[-1]
                task = asyncio.create_task(self._deliver(poster, delivery))
                self._sending.add(task)
                task.add_done_callback(self._sending.discard)

    async def _pause(self, seconds: float) -> None:
        """Wait, but no longer than until something is due sooner."""
        ends = {asyncio.ensure_future(self._clock.sleep(seconds)), asyncio.ensure_future(self._sooner.wait())}
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()
            await asyncio.gather(*ends, return_exceptions=True)

    async def _deliver(self, poster: Poster, delivery: Delivery) -> None:
        again = None
        try:
            again = await self._attempt(poster, delivery)
        finally:
            self._free.release()
            if again is not None:
                delivery.attempt += 1
                self._push(delivery, again)
            else:
                self._open -= 1
                if not self._open:
                    self._nothing_open.set()

    async def _attempt(self, poster: Poster, delivery: Delivery) -> float | None:
        """Send once; returns the seconds after which to send again, None when it is over."""
        one = self._registrations.get(delivery.webhook_id)
        if one is None:
            self.counters.withdrawn += 1
            return None
        sent_us = self._clock.now_us()
        status, answer = await poster.post(
            one.url, delivery.body, self._headers(one, delivery.body, sent_us // MICROSECONDS)
        )
        event, tried = delivery.event, delivery.attempt
        attempt = Attempt(
            one.id, event.id, delivery.table, delivery.id, tried, status, delivery.changed_us, sent_us
        )
        self.sent.append(attempt)
        self._journal.write(delivery, attempt, url=one.url, answer=answer)
        self.counters.attempts += 1
        if attempt.delivered:
            self.counters.delivered += 1
            self._registrations.worked(one)
            return None
        self.counters.failures += 1
        self._registrations.failed(one)
        if tried < len(self._settings.retry_seconds):
            return self._settings.retry_seconds[tried] / self._time_scale
        self.counters.given_up += 1
        return None

    def _headers(self, one: Registration, body: bytes, seconds: int) -> dict[str, str]:
        custom = one.custom_headers if self._settings.sends_custom_headers else {}
        return {
            **custom,
            "Content-Type": "application/json",
            HEADER: self._signer.header(one.token, body, seconds=seconds),
        }
