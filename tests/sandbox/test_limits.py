from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.sandbox import Limits, Sandbox, SandboxSettings, Window
from services.sandbox.limits import Gate
from services.sandbox.problems import Problem
from shared.clock import ManualClock
from tests.sandbox.api import Api


def _refusal(gate: Gate, family: str | None = None) -> Problem | None:
    try:
        gate.admit(family)
    except Problem as problem:
        return problem
    return None


def _admitted(gate: Gate, attempts: int, family: str | None = None) -> int:
    return sum(_refusal(gate, family) is None for _ in range(attempts))


def test_a_hundred_requests_fit_into_ten_seconds_wherever_they_begin() -> None:
    clock = ManualClock()
    gate = Gate(Limits(), clock)
    assert _admitted(gate, 60) == 60
    clock.advance(6)
    assert _admitted(gate, 60) == 40
    clock.advance(3.9)
    assert _admitted(gate, 1) == 0
    clock.advance(0.2)
    assert _admitted(gate, 100) == 60


def test_the_organization_has_a_window_of_its_own() -> None:
    clock = ManualClock()
    gate = Gate(Limits(organization=Window(limit=150, period=1_800)), clock)
    assert _admitted(gate, 100) == 100
    clock.advance(11)
    assert _admitted(gate, 100) == 50
    clock.advance(1_800)
    assert _admitted(gate, 100) == 100


@pytest.mark.parametrize(("family", "limit", "period"), [("reports", 10, 30), ("salaries", 30, 120)])
def test_some_endpoints_have_limits_of_their_own(family: str, limit: int, period: int) -> None:
    clock = ManualClock()
    gate = Gate(Limits(), clock)
    assert _admitted(gate, 50, family) == limit
    assert _refusal(gate) is None
    refusal = _refusal(gate, family)
    assert refusal is not None
    assert refusal.headers == {"X-RateLimit-Reset": str(period)}


def test_waiting_for_the_reset_is_always_enough() -> None:
    clock = ManualClock()
    gate = Gate(Limits(time_scale=100), clock)
    for _ in range(500):
        refusal = _refusal(gate)
        if refusal is not None:
            clock.advance(float(refusal.headers["X-RateLimit-Reset"]) + 1e-9)
            assert _refusal(gate) is None


def test_server_time_runs_out_and_comes_back_with_the_clock_hour() -> None:
    clock = ManualClock(start_us=1_790_000_000_000_000)
    gate = Gate(Limits(server_time_per_hour=1, cost_per_request=0.5), clock)
    for _ in range(2):
        gate.admit(None)
        gate.spend(records=0, included=0)
    refusal = _refusal(gate)
    assert refusal is not None
    assert b"Server time limit exceeded" in refusal.body()
    wait = int(refusal.headers["X-RateLimit-Reset"])
    assert wait == 3600 - 1_790_000_000 % 3600
    clock.advance(wait)
    assert _refusal(gate) is None


@given(st.lists(st.floats(min_value=0, max_value=3), max_size=80))
def test_no_window_of_the_past_ever_holds_more_than_its_limit(pauses: list[float]) -> None:
    clock = ManualClock()
    gate = Gate(Limits(token=Window(limit=5, period=10)), clock)
    admitted = []
    for pause in pauses:
        clock.advance(pause)
        if _refusal(gate) is None:
            admitted.append(clock.monotonic())
    for end in admitted:
        assert sum(end - 10 < moment <= end for moment in admitted) <= 5


@pytest.fixture
async def limited() -> AsyncIterator[Api]:
    settings = SandboxSettings(people=2, limits=Limits(token=Window(limit=3, period=10)))
    async with Sandbox(settings, clock=ManualClock()) as sandbox, Api(sandbox) as api:
        yield api


async def test_the_fourth_request_of_three_is_told_how_long_to_wait(limited: Api) -> None:
    for _ in range(3):
        assert (await limited.get("tasks")).status == 200
    reply = await limited.get("tasks")
    assert (reply.status, reply.headers["X-RateLimit-Reset"]) == (429, "10")
    assert reply.error["title"] == "Too many requests"
    assert reply.error["status"] == 429
    assert reply.error["meta"] == {"limit": 3, "period": 10}
    assert "Retry-After" not in reply.headers


async def test_who_has_no_token_does_not_use_up_the_limit(limited: Api) -> None:
    for _ in range(5):
        assert (await limited.get("tasks", headers={"X-Auth-Token": "wrong"})).status == 401
    assert (await limited.get("tasks")).status == 200


async def test_ordinary_answers_tell_nothing_about_limits(limited: Api) -> None:
    headers = {name.lower() for name in (await limited.get("tasks")).headers}
    assert not any("ratelimit" in name for name in headers)
    assert "x-request-id" in headers
