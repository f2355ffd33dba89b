"""How a reader in another process asks the writing one for a new copy: by a file beside the copy.

The reader makes `<copy>.wanted-<random>`; the writing process makes the copy and removes the file. Nothing
listens, so nothing can be in the way: a reader that dies leaves a file that the next copy removes, and one
whose file is not removed takes the copy that there is.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Sequence
from pathlib import Path

from shared.clock import Clock

_PAUSE_SECONDS = 0.02


def pending(copy: Path) -> Sequence[Path]:
    """The requests for a new copy; whatever is written after this call may be missing from what they get."""
    try:
        return [path for path in copy.parent.iterdir() if path.name.startswith(f"{copy.name}.wanted-")]
    except OSError:
        return ()


def granted(requests: Sequence[Path]) -> None:
    """Tell those who asked that the copy is as new as they wanted."""
    for request in requests:
        with contextlib.suppress(OSError):
            request.unlink()


async def ask(copy: Path, clock: Clock, *, patience_seconds: float) -> bool:
    """Ask for a new copy, and wait for it; False when none came, or when nobody may ask here."""
    request = copy.with_name(f"{copy.name}.wanted-{secrets.token_hex(8)}")
    try:
        request.touch(exist_ok=False)
    except OSError:
        return False
    try:
        deadline = clock.monotonic() + patience_seconds
        while request.exists():
            if clock.monotonic() > deadline:
                return False
            await clock.sleep(_PAUSE_SECONDS)
        return True
    finally:
        with contextlib.suppress(OSError):
            request.unlink()
