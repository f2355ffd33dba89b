"""What is left of a delivery that could not be published as it was."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hint:
    """Something happened to a record; which state it is in has to be asked.

    `happened_us` is a time by which it had happened (microseconds since 1970 UTC, Productive's clock as
    far as we know it): a state that was asked for later shows it.
    """

    table: str
    id: str
    happened_us: int
