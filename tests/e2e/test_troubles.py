"""A server in trouble delays a crawl, and changes nothing about what arrives."""

from __future__ import annotations

import random

import pytest

from tests.e2e import agency
from tests.e2e.expected import assert_same
from tests.e2e.harness import Home
from tests.e2e.server import Productive, Reply, Trouble, problem

TABLES = ("tasks", "time_entries", "people", "deals")


def _some(share: float, reply: Reply) -> Trouble:
    chance = random.Random(7)
    return lambda number, path: reply if chance.random() < share else None


THROTTLED = problem(429, "", "Too many requests")
BROKEN = {
    "servers that fail": _some(0.2, Reply(503, b"<html>busy</html>")),
    "bodies that are cut": _some(0.2, Reply(200, b'{"data": [{"id": "1", "type"', cut=True)),
    "pages of html": _some(0.1, Reply(200, b"<html>Welcome!</html>")),
    "a storm of 429": lambda number, path: (
        Reply(429, THROTTLED.body, {"X-RateLimit-Reset": "0"}) if number % 3 else None
    ),
    "429 without a time to wait": _some(0.1, THROTTLED),
    "slow answers": _some(0.2, Reply(503, b"", delay=0.2)),
}


@pytest.mark.parametrize("trouble", BROKEN)
def test_it_arrives_through(home: Home, productive: Productive, trouble: str) -> None:
    agency.fill(productive, scale=0.5)
    home.only(*TABLES)
    productive.trouble = BROKEN[trouble]
    home.run("backfill").ok()
    for path in TABLES:
        assert_same(path, productive.tables[path].resources, home.rows(path))


def test_limits_that_are_announced_are_kept(home: Home, productive: Productive) -> None:
    agency.fill(productive)
    home.only(*TABLES)
    home.variables["PRODUCTIVE_LIMIT_SCALE"] = "10"
    productive.limit = (100, 1.0)
    home.run("backfill").ok()
    assert all(asked.status == 200 for asked in productive.asked)


def test_a_full_crawl_takes_hardly_more_requests_than_it_must(home: Home, productive: Productive) -> None:
    agency.fill(productive)
    summary = home.run("backfill", "--json").ok().json
    least = productive.least_requests([name if name != "boards" else "folders" for name in summary["tables"]])
    assert len(productive.asked) <= 1.05 * least
    assert summary["requests"] == len(productive.asked)
