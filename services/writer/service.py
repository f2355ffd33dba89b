"""The writer's loop: take messages under leases, gather them into batches, write, ack.

Two batches are in memory at the most: one being written and one being gathered.
"""

from __future__ import annotations

import asyncio
import contextlib

from services.writer.environment import WriterEnvironment
from services.writer.flush import Flusher
from services.writer.pending import Pending
from services.writer.progress import Progress
from shared.errors import IngestError, OwnerError, RecordError

_IDLE_SECONDS = 0.5
_MOST_MESSAGES = 10  # of up to 200 records each: a pull overshoots the row limit by that much at the most
_COMPRESSION = 8  # how much smaller a page's message is than its JSON, about


class Writer:
    """Runs until it is asked to stop, or until the bus is empty after it was asked to drain."""

    def __init__(self, env: WriterEnvironment) -> None:
        self._env = env
        self._progress = Progress(env.clock)
        self._flusher = Flusher(env, self._progress)
        self._gathering = Pending()
        self._writing = Pending()
        self._stopping = asyncio.Event()
        self._draining = asyncio.Event()
        env.metrics.watch(
            held=lambda: len(self._held()),
            oldest_seconds=lambda: self._progress.oldest_held_seconds,
            alive=lambda: self.is_alive,
        )

    @property
    def is_alive(self) -> bool:
        """Whether it gets on, be it that there is nothing to do; if not, ending the process is what helps."""
        return self._progress.is_alive

    def stop(self) -> None:
        """Write what has been taken, then return."""
        self._stopping.set()

    def drain(self) -> None:
        """Return once nothing waits on the bus any more."""
        self._draining.set()

    async def run(self) -> None:
        """Raises `OwnerError` when a person has to act; unacked messages are delivered again later."""
        extender = asyncio.create_task(self._keep_leases())
        flushing: asyncio.Task[None] | None = None
        try:
            await self._flusher.prepare()
            while not self._stopping.is_set():
                await self._gather(flushing)
                if flushing is not None:
                    await flushing
                    flushing = None
                if self._gathering:
                    self._writing, self._gathering = self._gathering, Pending()
                    self._progress.began()
                    flushing = asyncio.create_task(self._flush())
                elif self._draining.is_set() and await self._env.bus.is_drained():
                    return
            if flushing is not None:
                await flushing
        finally:
            extender.cancel()
            if flushing is not None and not flushing.done():
                # Leaving in the middle of a write would say nothing about whether it happened.
                await asyncio.wait([flushing])
            with contextlib.suppress(asyncio.CancelledError):
                await extender
            await self._env.bus.release(self._gathering.lease_ids())

    async def _flush(self) -> None:
        try:
            await self._flusher.flush(self._writing)
        except OwnerError:
            with contextlib.suppress(IngestError):
                await self._env.bus.release(self._writing.lease_ids())
            raise
        finally:
            self._writing = Pending()
            self._progress.ended()

    async def _gather(self, flushing: asyncio.Task[None] | None) -> None:
        """Pull into the gathering batch until it is full or due; come back empty-handed when idle."""
        clock, limits, pending = self._env.clock, self._env.limits, self._gathering
        due: float | None = None
        while not self._stopping.is_set():
            wait = _IDLE_SECONDS if due is None else min(_IDLE_SECONDS, max(0.0, due - clock.monotonic()))
            if due is not None and wait == 0.0 and flushing is not None and not flushing.done():
                wait = limits.linger_seconds
            await self._pull(pending, wait)
            busy = flushing is not None and not flushing.done()
            if pending.rows >= limits.rows or pending.bytes >= limits.bytes:
                return
            if not pending:
                if not busy:
                    return
                continue
            due = clock.monotonic() + limits.linger_seconds if due is None else due
            if not busy and (clock.monotonic() >= due or self._draining.is_set()):
                return

    async def _pull(self, pending: Pending, wait_seconds: float) -> None:
        deliveries = await self._env.bus.pull(
            max_messages=_MOST_MESSAGES,
            max_bytes=max(1, (self._env.limits.bytes - pending.bytes) // _COMPRESSION),
            wait_seconds=wait_seconds,
        )
        self._progress.came_round()
        for delivery in deliveries:
            try:
                pending.add(delivery, await self._env.codec.decode(delivery.message))
                self._progress.took()
            except RecordError as error:
                await self._flusher.reject(delivery, error.message)

    async def _keep_leases(self) -> None:
        while True:
            await asyncio.sleep(self._env.limits.extend_seconds)
            held = self._held()
            if held:
                # A bus that does not answer now may do so the next time, before the leases end.
                with contextlib.suppress(IngestError):
                    await self._env.bus.extend(held)

    def _held(self) -> list[str]:
        return self._gathering.lease_ids() + self._writing.lease_ids()
