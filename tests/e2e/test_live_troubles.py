"""What the receiver's process does when its disk is full, its token is gone, or the world is rude to it."""

from __future__ import annotations

import asyncio
import contextlib
import io
import resource
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp

from services.sandbox import WebhookSettings
from tests.e2e.agency_live import NEVER_OFF, Live, living
from tests.e2e.test_mistakes import small_disk

PATIENT = WebhookSettings(retry_seconds=(0.3,) * 200, deactivate_after=NEVER_OFF, timeout=5.0)


async def test_with_a_full_disk_deliveries_are_spooled_and_nothing_is_lost(tmp_path: Path) -> None:
    async with living(tmp_path, PATIENT) as live:
        (await live.run("backfill")).ok()
        (live.home.data / "intake.sqlite").unlink()
        small = tmp_path / "small"
        with small_disk(small, "size=24m"):
            live.home.variables["INTAKE_URL"] = f"sqlite://{small}/intake.sqlite"
            async with live.running("run", "--every", "1000") as running:
                (await live.run("webhooks", "register", "--url", live.url)).ok()
                fill = small / "in-the-way"
                with contextlib.suppress(OSError), fill.open("wb", buffering=0) as file:
                    while file.write(b"x" * 4_096):
                        pass
                live.load.step(80)
                await live.sandbox.webhooks.idle()
                assert live.sandbox.webhooks.counters.failures == 0, "the spool says yes for the bus"
                assert list((live.home.data / "objects" / "spool").glob("*"))
                fill.unlink()
                await live.settle("bus", "intake", intake=small / "intake.sqlite")
                await live.stop(running)
        live.assert_equal()


async def test_a_token_that_is_refused_keeps_deliveries_until_it_works_again(tmp_path: Path) -> None:
    async with living(tmp_path) as live:
        (await live.run("backfill")).ok()
        async with live.running("run", "--every", "1000") as running:
            (await live.run("webhooks", "register", "--url", live.url)).ok()
            for table in ("tasks", "time_entries"):
                live.sandbox.faults.unavailable[table] = (401, "invalid_auth_token")
            live.load.perform("rename_task")
            await live.sandbox.webhooks.idle()
            line = await live.line("webhooks' deliveries wait: ")
            assert "token" in line
            live.sandbox.faults.unavailable.clear()
            await live.line("webhooks' deliveries are read again")
            await live.settle()
            await live.stop(running)
        live.assert_equal()


async def test_good_traffic_gets_through_a_crowd_of_bad(tmp_path: Path) -> None:
    async with living(tmp_path, PATIENT) as live:
        (await live.run("backfill")).ok()
        async with live.running("run", "--every", "1000") as running:
            (await live.run("webhooks", "register", "--url", live.url)).ok()
            before = _resident(running.process.pid)
            async with _crowd(live):
                live.load.step(60)
                async with asyncio.timeout(60):
                    await live.sandbox.webhooks.idle()
                assert live.sandbox.webhooks.counters.given_up == 0
                grown = _resident(running.process.pid) - before
            await live.settle()
            await live.stop(running)
        live.assert_equal()
        assert grown < 120 << 20, f"{grown:,} bytes more"


@contextlib.asynccontextmanager
async def _crowd(live: Live) -> AsyncIterator[None]:
    """Thousands of connections that say nothing, bodies of 50 MB, gzip bombs, and signatures of nobody."""
    most = min(10_000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 500)
    with contextlib.ExitStack() as stack:
        for _ in range(most):
            stack.enter_context(await asyncio.to_thread(socket.create_connection, ("127.0.0.1", live.port)))
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=20)) as session:
            rude = [asyncio.create_task(_rude(session, live.url, number)) for number in range(10)]
            try:
                yield
            finally:
                statuses = [await task for task in rude]
    assert {200}.isdisjoint(status for some in statuses for status in some)


async def _rude(session: aiohttp.ClientSession, url: str, number: int) -> list[int]:
    target, statuses = f"{url}/webhooks/productive/{number + 1}", []
    bodies = [
        (b"{}", {}),
        (b"\x1f\x8b" + b"\0" * 1000, {"Content-Encoding": "gzip"}),
        (b"\xff" * (50 << 20), {}),
    ]
    signature = {"Productive-Signature": "t=1790000000, s=" + "0" * 64}
    for body, headers in bodies * 3:
        with contextlib.suppress(aiohttp.ClientError):
            async with session.post(target, data=io.BytesIO(body), headers=signature | headers) as response:
                statuses.append(response.status)
    return statuses


def _resident(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) << 10
    raise AssertionError("the process is gone")
