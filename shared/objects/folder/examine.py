"""Looks at objects in a folder: whether it can be used, and whether its disk has room."""

from __future__ import annotations

from collections.abc import Sequence

from shared.google.examination import Examination
from shared.google.findings import Finding, good
from shared.room import look_at_folder, look_at_room
from shared.urls import path_of


async def examine(url: str, _examination: Examination) -> Sequence[Finding]:
    """See `shared.google.examination`; a folder that is not there yet is not made."""
    path = path_of(url).absolute()
    found = list(look_at_folder(path, path.name))
    if not found:
        there = "can be read and written" if path.exists() else "is made when it is first used"
        found.append(good(path.name, there))
    return [*found, look_at_room(path)]
