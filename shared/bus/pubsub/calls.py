"""One call to Pub/Sub: with a deadline of ours, tried again for a bounded time, and errors in our words.

Google's clients would retry by themselves for ten minutes, far past what any caller of ours waits for, so
every call is made with `retry=None`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from google.api_core import exceptions
from google.auth.exceptions import GoogleAuthError

from shared.bus.limits import BusSettings
from shared.bus.pubsub.clients import C, Renewable
from shared.bus.pubsub.failures import translated
from shared.bus.pubsub.names import Names
from shared.clock import Clock
from shared.errors import IngestError
from shared.google.failures import is_transient

T = TypeVar("T")
Item = TypeVar("Item")

REFUSALS = (exceptions.InvalidArgument, exceptions.FailedPrecondition)
"""Something in the request is not as it should be, and the rest of it may be."""

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0
_SPARE_SECONDS = 2.0
"""How much later than gRPC's deadline our own ends a call that gRPC has forgotten."""

_SLOWEST_BYTES_PER_SECOND = 200_000
"""A line slower than this is taken for a dead one."""


def pause_after(failures: int) -> float:
    """Seconds to wait after so many failures in a row: doubling, bounded, and never the same for two."""
    longest = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2.0 ** min(failures - 1, 10))
    return longest * (0.5 + random.random() / 2)  # noqa: S311 -- to spread, not to hide


class Calls(Generic[C]):
    """Makes calls with one renewable client."""

    def __init__(
        self,
        client: Renewable[C],
        names: Names,
        *,
        clock: Clock,
        settings: BusSettings,
    ) -> None:
        self._client = client
        self._names = names
        self._clock = clock
        self._request_seconds = settings.request_seconds
        self._retry_seconds = settings.retry_seconds

    async def make(
        self, call: Callable[[C, float], Awaitable[T]], *, size: int = 0, wait_seconds: float = 0.0
    ) -> T:
        """What `call(client, timeout)` returns. `size` in bytes and what it waits for lengthen the deadline.

        A call that meets its deadline is tried on a new connection. `UnreachableError` when the time for
        trying again is over; refusals come at once, those in `REFUSALS` as they are, all others in our words.
        """
        seconds = self._request_seconds + wait_seconds + size / _SLOWEST_BYTES_PER_SECOND
        end = self._clock.monotonic() + self._retry_seconds
        failures = 0
        while True:
            client = self._connected()
            try:
                async with asyncio.timeout(seconds + _SPARE_SECONDS):
                    return await call(client, seconds)
            except REFUSALS:
                raise
            except asyncio.CancelledError:
                if _is_cancelled():
                    raise
                error: Exception = exceptions.Cancelled("its connection was closed")
            except Exception as raised:
                error = raised
            failures += 1
            if isinstance(error, (TimeoutError, exceptions.DeadlineExceeded)):
                self._client.renew(client)
            pause = pause_after(failures)
            if isinstance(error, IngestError):
                raise error
            if not is_transient(error) or self._clock.monotonic() + pause >= end:
                raise self.in_our_words(error) from error
            await self._clock.sleep(pause)

    def _connected(self) -> C:
        try:
            return self._client.get()
        except GoogleAuthError as error:
            raise self.in_our_words(error) from error

    def in_our_words(self, error: Exception) -> IngestError:
        """What a person can do about it."""
        return translated(error, self._names)


def _is_cancelled() -> bool:
    """Whether somebody cancels us; gRPC raises the same for a call whose connection is closed."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


async def send_or_halve(
    items: Sequence[Item],
    send: Callable[[Sequence[Item]], Awaitable[object]],
    refused: Callable[[Exception], Exception | None],
) -> Sequence[Exception | None]:
    """Send all in one request; when it is refused, find out because of which. The fate of each item."""
    try:
        await send(items)
    except REFUSALS as error:
        if len(items) == 1:
            return [refused(error)]
        half = len(items) // 2
        first = await send_or_halve(items[:half], send, refused)
        return [*first, *await send_or_halve(items[half:], send, refused)]
    return [None] * len(items)
