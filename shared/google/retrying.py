"""Calls to Google's services, made again while that may help, and never without an end."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from google.api_core import exceptions

from shared.clock import Clock
from shared.google.failures import is_transient

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a call is tried. Times in seconds.

    `attempt` bounds each try, `total` all of them with the pauses between (the last try may end later by
    as much as `attempt`). Pauses double from `first_pause` to `longest_pause`, each drawn from its upper
    half. After a refusal for coming too often a pause is `after_429` at the least: Cloud Storage lets an
    object be written once a second (documented).
    """

    attempts: int = 6
    attempt: float = 30.0
    total: float = 60.0
    first_pause: float = 0.25
    longest_pause: float = 8.0
    after_429: float = 1.0

    def pause(self, failures: int, error: Exception) -> float:
        """Seconds to wait after so many failures (1 or more), of which `error` is the last."""
        longest: float = min(self.longest_pause, self.first_pause * 2.0 ** min(failures - 1, 30))
        drawn = longest * random.uniform(0.5, 1.0)  # noqa: S311 -- spreads clients, hides nothing
        return drawn + self.after_429 if isinstance(error, exceptions.TooManyRequests) else drawn


async def retrying(
    attempt: Callable[[int], Awaitable[T]], *, clock: Clock, patience: Patience | None = None
) -> T:
    """The outcome of `attempt`, which is told how many tries failed before.

    A try that failed may have been carried out all the same, when just its answer was lost: with a number
    above zero `attempt` has to tell its own doing from others'. Raises what the last try did, in Google's
    words, as soon as trying again is of no use.
    """
    patience = patience or Patience()
    end = clock.monotonic() + patience.total
    failures = 0
    while True:
        try:
            return await attempt(failures)
        except Exception as error:
            failures += 1
            pause = patience.pause(failures, error)
            late = failures >= patience.attempts or clock.monotonic() + pause > end
            if late or not is_transient(error):
                raise
        await clock.sleep(pause)
