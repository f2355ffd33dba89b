"""Requests for many tables side by side, and one error for people when several fail at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from shared.errors import IngestError, OwnerError

Result = TypeVar("Result")


async def first_alone(work: Sequence[Callable[[], Coroutine[Any, Any, Result]]]) -> list[Result]:
    """Results in order: the first is awaited alone, then all others side by side.

    So a wrong token or a dead network costs one request and gives one message. Where several of the
    others raise an `IngestError`, the one that a person should see is raised, and the rest is cancelled.
    """
    first, *rest = work
    results = [await first()]
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one()) for one in rest]
    except* IngestError as errors:
        raise worst(errors) from None
    return results + [task.result() for task in tasks]


def worst(errors: BaseExceptionGroup[IngestError]) -> IngestError:
    """The one error to show of several: what a person must mend goes before what may pass."""
    flat: list[IngestError] = []
    for error in errors.exceptions:
        flat += [worst(error)] if isinstance(error, BaseExceptionGroup) else [error]
    return min(flat, key=lambda error: not isinstance(error, OwnerError))
