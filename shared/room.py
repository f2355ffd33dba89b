"""Whether a file or a folder of this machine can be used, as findings of an examination."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from shared.google.findings import Finding, good, problem, warning

_LEAST: Final = 200 << 20
_PLENTY: Final = 2 << 30
_UNITS: Final = ("bytes", "KB", "MB", "GB", "TB")


def look_at_file(path: Path, what: str) -> Iterator[Finding]:
    """Whether the file can be written, or made where there is none; nothing when all is well."""
    if not path.exists():
        yield from look_at_folder(path.parent, f"the folder of {what}")
        return
    if not path.is_file():
        yield problem(what, f"{path} is not a file", "productive-ingest doctor --data-dir ./another-folder")
    elif not os.access(path, os.R_OK | os.W_OK):
        yield problem(what, f"this user may not read and write {path}", _own(path))
    yield from look_at_folder(path.parent, f"the folder of {what}")


def look_at_folder(path: Path, what: str) -> Iterator[Finding]:
    """Whether files can be made in the folder, or the folder itself; nothing when all is well."""
    there = path
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir():
        yield problem(
            what, f"{there} is not a folder", "productive-ingest doctor --data-dir ./another-folder"
        )
    elif not os.access(there, os.R_OK | os.W_OK | os.X_OK):
        yield problem(what, f"this user may not write to {there}", _own(there))


def look_at_room(path: Path, *, needed: int = 0) -> Finding:
    """How much room is left where the path is; `needed` bytes are wanted beside what there is."""
    there = path.parent if path.is_file() else path
    while not there.exists():
        there = there.parent
    free = shutil.disk_usage(there).free
    text = f"{size(free)} are free at {there}"
    if free < max(_LEAST, needed):
        return problem("room on the disk", f"only {text}, and {size(max(_LEAST, needed))} are needed")
    if free < max(_PLENTY, 2 * needed):
        return warning("room on the disk", f"no more than {text}")
    return good("room on the disk", text)


def size(count: float) -> str:
    """Bytes for people, in powers of 1,000: `1.2 GB`."""
    for unit in _UNITS:
        if count < 1_000 or unit == _UNITS[-1]:
            break
        count /= 1_000
    return f"{count:,.0f} {unit}" if unit == "bytes" or count >= 100 else f"{count:.1f} {unit}"


def duration(seconds: float) -> str:
    """A time span for people, in its largest unit: `3 hours`."""
    for length, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= length:
            return counted(seconds // length, name)
    return counted(max(0, int(seconds)), "second")


def counted(count: float, noun: str) -> str:
    """A number of things: `1 message`, `1,200 messages`."""
    return f"{count:,.0f} {noun}{'' if round(count) == 1 else 's'}"


def _own(path: Path) -> str:
    return f"sudo chown -R $(id -u) {shlex.quote(str(path))}"
