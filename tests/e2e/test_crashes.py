"""A crawl may be killed at any instruction, any number of times; in the end the warehouse is the source."""

from __future__ import annotations

import random
import signal
import time

import pytest

from tests.e2e import agency
from tests.e2e.expected import assert_same
from tests.e2e.harness import Home
from tests.e2e.server import Productive

DURING_THE_RUN = (
    "before-publish:2",
    "between-publish-and-checkpoint:2",
    "before-commit:8",
    "between-write-and-ack:1",
    "before-commit:7",
    "before-ending-the-run:1",
)
AFTER_THE_RUN = ("before-giving-up-a-lease:1", "before-copy:1", "before-giving-up-a-lease:2")

TABLES = ("tasks", "time_entries", "people", "deals", "projects", "tags")


def prepare(home: Home, productive: Productive, *, concurrency: int, scale: float = 1.0) -> None:
    home.configure(
        f"[tables]\nonly = {list(TABLES)}\n[productive]\nconcurrency = {concurrency}\n"
        "[writer]\nbatch_rows = 100\nlinger_seconds = 0\n".replace("'", '"')
    )
    agency.fill(productive, scale=scale)
    productive.pace = 0.03


def assert_settled(home: Home, productive: Productive, *, kills: int, concurrency: int) -> None:
    """Equal to the source; and no page was read again but those under way when the process died."""
    for path, table in productive.tables.items():
        assert_same(path, table.resources, home.rows(path))
    again = sum(count - 1 for count in productive.pages_read().values())
    assert again <= kills * concurrency
    assert home.run("status", "--json").ok().json["backlog"]["messages"] == 0


def test_a_crawl_killed_at_its_most_delicate_moments_goes_on_where_it_was(
    home: Home, productive: Productive
) -> None:
    prepare(home, productive, concurrency=1)
    for moment in DURING_THE_RUN:
        # Every attempt gets a little further than the one before.
        assert home.run(moment, "backfill", module="tests.e2e.crashing").code == -signal.SIGKILL, moment
    home.run("backfill").ok()
    assert_settled(home, productive, kills=len(DURING_THE_RUN), concurrency=1)


def test_a_process_killed_when_its_crawl_is_over_leaves_nothing_in_the_way(
    home: Home, productive: Productive
) -> None:
    home.only("tasks", "tags")
    productive.fill("tasks", agency.tasks(210))
    for moment in AFTER_THE_RUN:
        assert home.run(moment, "backfill", module="tests.e2e.crashing").code == -signal.SIGKILL, moment
        assert not home.run("writer", "--drain", "--json").ok().json["refused"]
        assert_same("tasks", productive.tables["tasks"].resources, home.rows("tasks"))
    home.run("backfill").ok()


@pytest.mark.parametrize("seed", [1, 2])
def test_a_crawl_killed_at_random_moments_goes_on_where_it_was(
    home: Home, productive: Productive, seed: int
) -> None:
    prepare(home, productive, concurrency=2, scale=2.0)
    chance = random.Random(seed)
    for _ in range(3):
        reached = len(productive.asked) + chance.randint(1, 2)
        with home.start("backfill") as command:
            assert productive.wait_for(reached)
            time.sleep(chance.random() * 0.04)
            command.process.kill()
            assert command.end().code == -signal.SIGKILL
    home.run("backfill").ok()
    assert_settled(home, productive, kills=3, concurrency=2)
