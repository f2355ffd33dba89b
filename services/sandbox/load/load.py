"""Changes one after the other: by chance, by a script, at once or at a rate."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from services.sandbox.load.agency import Agency, LoadEvent
from services.sandbox.load.steps import STEPS, WEIGHTS, Action
from services.sandbox.organization import Organization
from shared.clock import Clock, SystemClock

Step = str | Action
"""A step by its name in `STEPS`, or one of one's own."""

_TICK = 0.01
_LONGEST_SLEEP = 0.25
_CATCH_UP_SECONDS = 1.0
_TRIES = 200


@dataclass(frozen=True, kw_only=True)
class LoadSettings:
    """What decides which changes come. The same settings make the same changes to the same organization."""

    seed: int = 1

    weights: Mapping[str, float] = field(default_factory=lambda: WEIGHTS)
    """How often each step of `STEPS` comes, relative to the others; one that is not named never comes."""

    growth: int = 20_000
    """By how many records a table may grow; from then on nothing is created in it."""

    remembered: int = 1_000
    """How many of the last events `Load.events` keeps."""

    def __post_init__(self) -> None:
        if unknown := self.weights.keys() - STEPS.keys():
            raise ValueError(f"there are no steps {', '.join(sorted(unknown))}")
        if not any(weight > 0 for weight in self.weights.values()):
            raise ValueError("a load needs at least one step with a weight")


class Load:
    """Works in an organization. Everything it makes refers only to what exists.

    It deletes only what no other record refers to, as nobody is told when a reference becomes empty. What
    adds up from other records (the hours worked on a task) is left as it was.
    """

    def __init__(
        self, organization: Organization, settings: LoadSettings | None = None, *, clock: Clock | None = None
    ) -> None:
        self._settings = settings or LoadSettings()
        self._clock = clock or SystemClock()
        self._agency = Agency(organization, seed=self._settings.seed, growth=self._settings.growth)
        self._names = list(self._settings.weights)
        self._shares = list(itertools.accumulate(self._settings.weights.values()))
        self._stopped = asyncio.Event()
        self.made = 0
        """How many changes so far."""
        self.events: deque[LoadEvent] = deque(maxlen=self._settings.remembered)

    def step(self, count: int = 1) -> list[LoadEvent]:
        """Make so many changes by chance, at once; fewer only when none of the steps is possible."""
        made = []
        for _ in range(count):
            event = self._any()
            if event is None:
                break
            made.append(event)
        return made

    def perform(self, step: Step) -> LoadEvent | None:
        """Make one particular change; None when the organization has nothing to make it with."""
        action = STEPS[step] if isinstance(step, str) else step
        event = action(self._agency)
        if event is None:
            return None
        event = replace(event, step=event.step or (step if isinstance(step, str) else step.__name__))
        self.made += 1
        self.events.append(event)
        return event

    async def run(
        self,
        rate: float,
        *,
        script: Iterable[Step] | None = None,
        tell: Callable[[LoadEvent], None] = lambda _event: None,
    ) -> None:
        """Make `rate` changes per second until `stop`: those of a script until its end, or by chance.

        `tell` hears of each. When the machine cannot keep up, what is more than a second late is left out.
        """
        if rate <= 0:
            raise ValueError("a load has a rate above 0")
        self._stopped.clear()
        steps = iter(script) if script is not None else itertools.repeat(None)
        begin, made = self._clock.monotonic(), 0
        while not self._stopped.is_set():
            due = int((self._clock.monotonic() - begin) * rate) - made
            if late := max(0, due - max(1, int(rate * _CATCH_UP_SECONDS))):
                made += late
                due -= late
            for step in itertools.islice(steps, due):
                event = self.perform(step) if step is not None else self._any()
                made += 1
                due -= 1
                if event is not None:
                    tell(event)
                if self._stopped.is_set():
                    return
            if due > 0:  # the script is over
                return
            next_one = begin + (made + 1) / rate - self._clock.monotonic()
            await self._clock.sleep(min(max(_TICK, next_one), _LONGEST_SLEEP))

    def stop(self) -> None:
        """Let `run` return within a quarter of a second."""
        self._stopped.set()

    def _any(self) -> LoadEvent | None:
        for _ in range(_TRIES):
            name = self._agency.random.choices(self._names, cum_weights=self._shares)[0]
            event = self.perform(name)
            if event is not None:
                return event
        return None
