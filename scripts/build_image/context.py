"""The build context: which files Docker sees, as .dockerignore says it.

The rules are those of Docker's documentation: patterns are relative to the context's root, `*` and `?` stay
within a name, `**` is any number of folders, `!` takes files in again, the last pattern that matches decides,
and one that matches a folder holds for all in it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple


class _Rule(NamedTuple):
    pattern: re.Pattern[str]
    excludes: bool


class Context:
    """The files below `root` that are not ignored."""

    def __init__(self, root: Path, ignore: str) -> None:
        self.root = root
        self._rules = _rules(ignore)

    @classmethod
    def of(cls, root: Path) -> Context:
        """The context of a folder with its own .dockerignore, if it has one."""
        file = root / ".dockerignore"
        return cls(root, file.read_text(encoding="utf-8") if file.exists() else "")

    def has(self, path: PurePosixPath) -> bool:
        """Whether Docker would see this file, if there is one; relative to the root."""
        seen = True
        for rule in self._rules:
            if any(rule.pattern.fullmatch(str(part)) for part in (path, *path.parents)):
                seen = not rule.excludes
        return seen

    def files(self, below: str = ".") -> Iterator[PurePosixPath]:
        """All files that it has at or below a path, relative to the root, in order."""
        start = self.root / below
        if start.is_file():
            found: Sequence[Path] = [start]
        else:
            found = sorted(
                Path(folder, name)
                for folder, folders, names in _walk(start, folders_off={".git", ".venv"})
                for name in names
            )
        for file in found:
            path = PurePosixPath(file.relative_to(self.root).as_posix())
            if self.has(path):
                yield path


def _walk(start: Path, folders_off: set[str]) -> Iterator[tuple[str, list[str], list[str]]]:
    """Without the folders that are large and never in a context of ours."""
    for folder, folders, names in os.walk(start):
        folders[:] = [name for name in folders if name not in folders_off]
        yield folder, folders, names


def _rules(text: str) -> list[_Rule]:
    lines = [line.strip() for line in text.splitlines()]
    return [
        _Rule(_pattern(line.removeprefix("!").strip("/")), not line.startswith("!"))
        for line in lines
        if line and not line.startswith("#")
    ]


def _pattern(glob: str) -> re.Pattern[str]:
    """A pattern as a regular expression of a whole path."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", glob)
    known = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(known.get(part) or re.escape(part) for part in parts))
