"""The dead letters of both buses as one list for people.

What the writer could not write lies on the bus of records, under ids like `7`; deliveries of webhooks that
made no sense, or led to nothing, lie on the intake bus, under ids like `webhook-7`. Each goes back where
it came from.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from services.cli.world import World
from shared.bus import Bus, DeadLetter
from shared.errors import ConfigError

_PAGE = 100
_WEBHOOK = "webhook-"


@dataclass(frozen=True)
class Letter:
    """A dead letter under the id that people use."""

    id: str
    letter: DeadLetter


class Letters:
    """The dead letters of a world."""

    def __init__(self, world: World) -> None:
        self._sources: dict[str, Bus] = {"": world.bus, _WEBHOOK: world.intake}

    async def total(self) -> int:
        """How many there are."""
        return sum([(await bus.backlog()).dead_letters for bus in self._sources.values()])

    async def first(self, limit: int) -> Sequence[Letter]:
        """The first ones, those of records before those of webhooks."""
        found: list[Letter] = []
        async for letter in self.all():
            if len(found) == limit:
                break
            found.append(letter)
        return found

    async def all(self) -> AsyncIterator[Letter]:
        """Every one, page by page."""
        for prefix, bus in self._sources.items():
            after: str | None = None
            while letters := await bus.dead_letters(limit=_PAGE, after=after):
                for letter in letters:
                    yield Letter(prefix + letter.id, letter)
                after = letters[-1].id

    async def find(self, letter_id: str) -> Letter:
        """The one of that id; `ConfigError` when there is none."""
        async for letter in self.all():
            if letter.id == letter_id:
                return letter
        raise ConfigError(
            f"there is no dead letter {letter_id!r}",
            advice="`productive-ingest deadletters list` shows them.",
        )

    async def replay(self, letter_ids: Sequence[str]) -> int:
        """Put letters back onto their buses; returns how many there were."""
        count = 0
        for prefix, bus in self._sources.items():
            mine = [
                id_.removeprefix(prefix) for id_ in letter_ids if id_.startswith(_WEBHOOK) == bool(prefix)
            ]
            if mine:
                count += await bus.replay(mine)
        return count
