"""How long to try, as data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When a request that failed for no fault of its own is sent again. Times in seconds.

    `attempts` is the most for one request, `first_contact_attempts` the most while Productive has never
    answered yet and either cannot be connected to or what comes is not the API's (most likely the address
    is wrong, and a person waits).
    Waits double from `first_wait` up to `longest_wait`, each drawn evenly from zero up to that (full
    jitter, so that many clients do not come back together). `total_seconds` bounds one request with all its
    attempts, pauses that Productive asked for not counted: those have `longest_pause` as their bound
    each, and `pauses` as the most in a row.
    """

    attempts: int = 8
    first_contact_attempts: int = 3
    first_wait: float = 1.0
    longest_wait: float = 60.0
    total_seconds: float = 900.0
    pauses: int = 30
    longest_pause: float = 86_400.0

    def wait(self, failures: int, random: Callable[[], float]) -> float:
        """Seconds to wait after `failures` (1 or more) failures; `random` gives numbers in [0, 1)."""
        longest: float = min(self.longest_wait, self.first_wait * 2.0 ** min(failures - 1, 60))
        return longest * random()


PATIENT = RetryPolicy()
"""For services that run by themselves."""

PROMPT = RetryPolicy(
    attempts=3,
    first_contact_attempts=2,
    first_wait=0.5,
    longest_wait=2.0,
    total_seconds=20.0,
    longest_pause=15.0,
)
"""For a person who waits at a prompt."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds for one attempt: to connect, without a byte arriving, and altogether."""

    connect: float = 10.0
    silence: float = 60.0
    total: float = 300.0
