"""`check` names what is missing on Google Cloud before it asks Productive anything."""

from __future__ import annotations

from shared.errors import ExitCode
from tests.e2e.conftest import home, productive
from tests.e2e.harness import Home
from tests.e2e.server import Productive

__all__ = ["home", "productive"]


def test_check_names_problems_on_google_cloud_and_still_tells_what_can_be_read(
    home: Home, productive: Productive
) -> None:
    home.only("tasks")
    home.variables["INTAKE_URL"] = "pubsub://acme-data/intake"
    home.variables["PUBSUB_EMULATOR_HOST"] = "127.0.0.1:1"
    ended = home.run("check", "--json")
    assert ended.code == ExitCode.INCOMPLETE
    assert ended.json["readable"] == 1
    assert {one["subject"] for one in ended.json["missing"]} == {
        "topic intake",
        "topic intake-dead",
        "subscription intake",
        "subscription intake-dead",
    }
    assert "Pub/Sub does not answer" in home.run("check").stdout


def test_check_says_nothing_of_google_cloud_where_no_store_is_there(
    home: Home, productive: Productive
) -> None:
    home.only("tasks")
    ended = home.run("check", "--json").ok()
    assert ended.json["missing"] == []
