"""Reading a list from its latest change backwards, and when to stop: where no filter finds the changes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from shared.record.values import parse_timestamp


def in_order(resources: Sequence[Any], sort: str) -> bool:
    """Whether the times named `sort` fall from record to record; those without one say nothing.

    An order that is ignored would end the reading before all changes are found.
    """
    times = [time for resource in resources if (time := _time(resource, sort)) is not None]
    return all(later >= earlier for later, earlier in pairwise(times))


def reaches(resources: Sequence[Any], sort: str, since_us: int) -> bool:
    """Whether everything behind these records, which are in order, changed before `since_us`.

    Records without a time come first or last in such a list, so they cannot end it.
    """
    time = _time(resources[-1], sort) if resources else None
    return time is not None and time < since_us


def news(resources: Sequence[Any], sort: str, since_us: int) -> list[Any]:
    """Those of them that changed since then, or do not say when."""
    return [resource for resource in resources if (time := _time(resource, sort)) is None or time >= since_us]


def _time(resource: Any, name: str) -> int | None:
    """The record's time in microseconds; None when it has none that can be read."""
    attributes = resource.get("attributes") if isinstance(resource, dict) else None
    value = parse_timestamp(attributes.get(name)) if isinstance(attributes, dict) else None
    return value if isinstance(value, int) else None
