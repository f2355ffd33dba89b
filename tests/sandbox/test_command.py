"""The server in a process of its own, as benchmarks and other tests start it."""

from __future__ import annotations

import asyncio
import json
import signal
import sys

import aiohttp
import pytest

from tests.sandbox.hooks import receiving


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


@pytest.mark.parametrize(
    "arguments",
    [
        ["--bulk", "tasks"],
        ["--limits", "some"],
        ["--limits", "scaled:0"],
        ["--webhooks", "nonsense"],
        ["--webhooks", '{"nonsense": 1}'],
        ["--webhooks", '{"cut_share": 2}'],
    ],
)
async def test_a_wrong_argument_is_explained(arguments: list[str]) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.sandbox", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, errors = await process.communicate()
    assert process.returncode == 2
    assert arguments[1].encode() in errors


async def test_a_load_tells_who_registered_and_sums_up_at_the_end() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.sandbox", "--people", "3", "--load", "200",
        "--webhooks", '{"complete_share": 1, "retry_seconds": [1, 2]}',
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    ready = json.loads(await process.stdout.readline())
    headers = {"X-Auth-Token": ready["token"], "X-Organization-Id": ready["organization_id"]}
    async with receiving() as receiver, aiohttp.ClientSession(headers=headers) as session:
        attributes = {"event_id": 7, "target_url": receiver.url}
        body = json.dumps({"data": {"type": "webhooks", "attributes": attributes}})
        content = {"Content-Type": "application/vnd.api+json"}
        async with session.post(f"{ready['url']}/webhooks", data=body, headers=content) as response:
            assert response.status == 201
        call = await asyncio.wait_for(receiver.next_call(), 20)
        assert call.document["event"] == "create_time_entry"
        assert call.document["object"]["data"]["relationships"]["person"]["data"]
        process.send_signal(signal.SIGTERM)
        output, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")
    summary = json.loads(output)
    assert summary["changes"] > summary["webhooks"]["delivered"] >= 1


async def test_the_command_for_people_shows_what_happens() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.cli", "sandbox", "--people", "3", "--load", "100",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    first = (await asyncio.wait_for(process.stderr.readline(), 60)).decode()
    assert len(first.split()) > 3
    process.send_signal(signal.SIGTERM)
    output, errors = await process.communicate()
    assert process.returncode == 0
    assert b"export PRODUCTIVE_API_URL=http://127.0.0.1:" in output
    assert b"Traceback" not in errors
