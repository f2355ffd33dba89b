"""docs/storage-write.md gives the numbers that the code has."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.warehouse.bigquery.append_settings import LARGEST_REQUEST, AppendSettings
from shared.warehouse.bigquery.delivery import ALL_REFUSED

PAGE = " ".join((Path(__file__).parents[2] / "docs/storage-write.md").read_text(encoding="utf-8").split())
CHOSEN = AppendSettings()


@pytest.mark.parametrize(
    "said",
    [
        f"at most {CHOSEN.refusals} refusals per write",
        f"{ALL_REFUSED} rows refused one by one",
        f"at most {CHOSEN.schema_seconds:.0f} s), connects again",
        f"For {CHOSEN.missing_seconds:.0f} s it is tried again",
        f"no answer for {CHOSEN.response_seconds:.0f} s",
        f"a pause of {CHOSEN.first_wait_seconds:g} s that grows to {CHOSEN.longest_wait_seconds:.0f} s",
        f"After {CHOSEN.patience_seconds:.0f} s without confirmation",
        f"up to {CHOSEN.requests_in_flight} requests, or {CHOSEN.bytes_in_flight / 1e6:.0f} MB",
        f"{CHOSEN.bytes_of_all / 1e6:.0f} MB over all tables",
        f"not used for {CHOSEN.idle_seconds:.0f} s",
        f"when there are {CHOSEN.connections}, the one",
        f"{LARGEST_REQUEST / 1e6:g} MB; filled to {CHOSEN.request_bytes / 1e6:g} MB",
    ],
)
def test_the_page_says_what_the_settings_are(said: str) -> None:
    assert said in PAGE
