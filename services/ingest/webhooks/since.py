"""A point in the past, as people write it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from shared.clock import MICROSECONDS
from shared.errors import ConfigError

_DURATION = re.compile(r"(\d{1,6})\s*([smhdw])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_ADVICE = "Write how long ago (90m, 6h, 2d) or when (2026-11-20, 2026-11-20T10:00, 2026-11-20T10:00+01:00)."


def parse_since(text: str, now_us: int) -> int:
    """Microseconds since 1970 UTC of `6h` (ago), a date, or a time, which is UTC where it has no zone.

    `ConfigError` for anything else, and for a time that is still to come.
    """
    word = text.strip().lower()
    duration = _DURATION.fullmatch(word)
    try:
        if duration:
            since_us = now_us - int(duration[1]) * _SECONDS[duration[2]] * MICROSECONDS
        else:
            moment = datetime.fromisoformat(word.upper())
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=UTC)
            since_us = round(moment.timestamp()) * MICROSECONDS
    except (ValueError, OverflowError):
        raise ConfigError(f"{text[:50]!r} is no time", advice=_ADVICE) from None
    if since_us > now_us:
        raise ConfigError(f"{text[:50]!r} is still to come", advice=_ADVICE)
    if since_us < 0:
        raise ConfigError(f"{text[:50]!r} is too long ago", advice=_ADVICE)
    return since_us
