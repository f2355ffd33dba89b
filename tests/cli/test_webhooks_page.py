"""docs/webhooks.md tells of every command and of everything that a test event may come to."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.cli.commands.webhooks import webhooks
from services.ingest.webhooks.probe import Heard

PAGE = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", list(webhooks.commands))
def test_each_command_is_on_the_page_of_the_webhooks(name: str) -> None:
    assert f"| `webhooks {name}" in PAGE


@pytest.mark.parametrize("heard", Heard)
def test_each_outcome_of_a_test_event_is_on_the_page_of_the_webhooks(heard: Heard) -> None:
    assert f"| {heard.value.partition(', which')[0]}" in PAGE
