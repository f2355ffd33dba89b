"""Change data capture: which change of a row wins (as documented by Google)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

CHANGE_TYPE = "_CHANGE_TYPE"
SEQUENCE_NUMBER = "_CHANGE_SEQUENCE_NUMBER"
DELETIONS_KEPT_SECONDS = 2 * 24 * 3600

_SECTION = re.compile(r"[0-9A-Fa-f]{1,16}")
Sequence = tuple[int, int, int, int]


def sequence(text: str | None) -> Sequence:
    """One to four hexadecimal sections, compared one by one; `ValueError` for anything else."""
    sections = (text or "").split("/")
    if not 1 <= len(sections) <= 4 or not all(_SECTION.fullmatch(section) for section in sections):
        raise ValueError(f"invalid {SEQUENCE_NUMBER} value: {text!r}")
    numbers = [int(section, 16) for section in sections] + [0] * (4 - len(sections))
    return numbers[0], numbers[1], numbers[2], numbers[3]


@dataclass
class Memory:
    """What a table knows of its keys: the highest number, and when a key was deleted."""

    now: Callable[[], float]
    numbers: dict[str, Sequence] = field(default_factory=dict)
    deleted: dict[str, float] = field(default_factory=dict)

    def accepts(self, key: str, number: Sequence, *, is_deletion: bool) -> bool:
        """Take note of a change; False when it lost. Of two with one number the later arrival wins."""
        gone_at = self.deleted.get(key)
        if gone_at is not None and gone_at + DELETIONS_KEPT_SECONDS < self.now():
            del self.numbers[key], self.deleted[key]
        if key in self.numbers and number < self.numbers[key]:
            return False
        self.numbers[key] = number
        if is_deletion:
            self.deleted[key] = self.now()
        else:
            self.deleted.pop(key, None)
        return True
