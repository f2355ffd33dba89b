"""Sizes, times and numbers are told in the words of people."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from shared.room import counted, duration, look_at_room, size


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1_000, "1.0 KB"),
        (37_000, "37.0 KB"),
        (740_000, "740 KB"),
        (81_600_000_000, "81.6 GB"),
        (2.5e15, "2,500 TB"),
    ],
)
def test_sizes(count: float, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 seconds"),
        (1, "1 second"),
        (59.9, "59 seconds"),
        (60, "1 minute"),
        (7_200, "2 hours"),
        (86_399, "23 hours"),
        (86_400, "1 day"),
        (31 * 86_400, "31 days"),
    ],
)
def test_times(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(("needed", "state"), [(0, "good"), (2 << 30, "warning"), (4 << 30, "problem")])
def test_room_is_wanted_for_a_copy_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, needed: int, state: str
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=3 << 30))
    assert look_at_room(tmp_path / "not" / "there", needed=needed).state == state


@pytest.mark.parametrize(("count", "text"), [(0, "0 rows"), (1, "1 row"), (1_200, "1,200 rows")])
def test_numbers(count: int, text: str) -> None:
    assert counted(count, "row") == text
