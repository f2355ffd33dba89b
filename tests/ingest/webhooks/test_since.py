"""Times as people write them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from services.ingest.webhooks.since import parse_since
from shared.clock import MICROSECONDS
from shared.errors import ConfigError

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
NOW_US = int(NOW.timestamp()) * MICROSECONDS


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("90s", "2026-11-21T11:58:30+00:00"),
        ("30m", "2026-11-21T11:30:00+00:00"),
        ("6h", "2026-11-21T06:00:00+00:00"),
        (" 2 D ", "2026-11-19T12:00:00+00:00"),
        ("1w", "2026-11-14T12:00:00+00:00"),
        ("2026-11-20", "2026-11-20T00:00:00+00:00"),
        ("2026-11-20T10:00", "2026-11-20T10:00:00+00:00"),
        ("2026-11-20t10:00z", "2026-11-20T10:00:00+00:00"),
        ("2026-11-20 10:00+01:00", "2026-11-20T09:00:00+00:00"),
    ],
)
def test_a_duration_is_that_long_ago_and_a_time_without_a_zone_is_utc(text: str, moment: str) -> None:
    since = datetime.fromtimestamp(parse_since(text, NOW_US) / MICROSECONDS, UTC)
    assert since.isoformat() == moment


@pytest.mark.parametrize(
    "text", ["", "yesterday", "6", "h", "6y", "2026-13-01", "-6h", "2026-11-22", "9999w"]
)
def test_what_is_no_time_in_the_past_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_since(text, NOW_US)
    assert "6h" in caught.value.advice
