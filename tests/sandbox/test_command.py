"""The server in a process of its own, as benchmarks and other tests start it."""

from __future__ import annotations

import asyncio
import json
import signal
import sys

import aiohttp
import pytest


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_says_where_it_is_serves_and_ends_on_a_signal(number: signal.Signals) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.sandbox", "--people", "2", "--bulk", "time_entries=1000",
        "--limits", "scaled:100", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    ready = json.loads(await process.stdout.readline())
    headers = {"X-Auth-Token": ready["token"], "X-Organization-Id": ready["organization_id"]}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(f"{ready['url']}/time_entries") as response,
    ):
        assert response.status == 200
        assert (await response.json(content_type=None))["meta"]["total_count"] > 1_000
    assert ready["records"] > 1_000
    process.send_signal(number)
    _, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")


@pytest.mark.parametrize("arguments", [["--bulk", "tasks"], ["--limits", "some"], ["--limits", "scaled:0"]])
async def test_a_wrong_argument_is_explained(arguments: list[str]) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.sandbox", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, errors = await process.communicate()
    assert process.returncode == 2
    assert arguments[1].encode() in errors
