from __future__ import annotations

import aiohttp
import pytest

from services.sandbox import Sandbox, SandboxSettings
from shared.clock import ManualClock
from tests.sandbox.api import Api


async def test_answers_are_compressed_for_who_accepts_it() -> None:
    async with Sandbox(SandboxSettings(people=2, gzip=True)) as sandbox, Api(sandbox) as api:
        packed = await api.get("tasks", headers={"Accept-Encoding": "gzip"})
        plain = await api.get("tasks", headers={"Accept-Encoding": "identity"})
        assert packed.headers["Content-Encoding"] == "gzip"
        assert "Content-Encoding" not in plain.headers
        assert packed.data == plain.data


async def test_answers_can_be_held_back() -> None:
    clock = ManualClock()
    async with Sandbox(SandboxSettings(people=2, latency=0.25), clock=clock) as sandbox, Api(sandbox) as api:
        await api.get("tasks")
        await api.get("tasks")
    assert clock.slept == [0.25, 0.25]


async def test_requests_are_remembered_without_the_token() -> None:
    async with Sandbox(SandboxSettings(people=2, log_size=3)) as sandbox, Api(sandbox) as api:
        for size in range(1, 6):
            await api.get("tasks", {"page[size]": size, "sort": "-id"}, {"X-Feature-Flags": "some"})
        requests = sandbox.requests
        assert [request.query for request in requests] == [
            [("page[size]", str(size)), ("sort", "-id")] for size in (3, 4, 5)
        ]
        assert {(request.method, request.path, request.status, request.table) for request in requests} == {
            ("GET", "/api/v2/tasks", 200, "tasks")
        }
        assert requests[0].headers["x-feature-flags"] == "some"
        assert sandbox.token not in repr(requests) + str([request.headers for request in requests])
        sandbox.forget_requests()
        assert sandbox.requests == []


async def test_a_stopped_sandbox_does_not_answer_but_still_knows() -> None:
    sandbox = Sandbox(SandboxSettings(people=2))
    async with sandbox, Api(sandbox) as api:
        assert (await api.get("tasks")).status == 200
    async with Api(sandbox) as api:
        with pytest.raises(aiohttp.ClientConnectionError):
            await api.get("tasks")
    assert sandbox.organization.count("tasks")


def test_an_agency_needs_two_people() -> None:
    with pytest.raises(ValueError, match="at least 2 people"):
        SandboxSettings(people=1)
