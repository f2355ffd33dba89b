"""What does not work at the moment, for how long it is left alone, and what to tell people about it."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from shared.errors import IngestError, OwnerError

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Trouble:
    error: IngestError
    failures: int


class Troubles:
    """Troubles by the place where they are (`intake`, `publishing`, or a table); bounded by the places.

    Pauses double from `first_pause` up to `longest_pause` seconds with every failure in a row.
    """

    def __init__(self, *, first_pause: float, longest_pause: float) -> None:
        self._first_pause = first_pause
        self._longest_pause = longest_pause
        self._by_place: dict[str, _Trouble] = {}

    def add(self, place: str, error: IngestError) -> float:
        """It failed there (again): for how many seconds to leave it alone."""
        failures = self._by_place[place].failures + 1 if place in self._by_place else 1
        self._by_place[place] = _Trouble(error, failures)
        if failures == 1:
            log.warning("reading of deliveries, %s: %s", place, error)
        pause: float = min(self._longest_pause, self._first_pause * 2.0 ** min(failures - 1, 60))
        return pause

    def end(self, place: str) -> None:
        """It worked there."""
        if self._by_place.pop(place, None) is not None:
            log.info("reading of deliveries, %s: it works again", place)

    def owners(self) -> OwnerError | None:
        """A trouble that a person has to end, if there is one."""
        errors = (trouble.error for trouble in self._by_place.values())
        return next((error for error in errors if isinstance(error, OwnerError)), None)

    def sentence(self) -> str | None:
        """The worst of them with its advice, None when there is none."""
        if not self._by_place:
            return None
        first = next(iter(self._by_place.values())).error
        error = self.owners() or first
        return f"{error.message}. {error.advice}".strip()
