"""What the real commands serve about themselves."""

from __future__ import annotations

import re
from pathlib import Path

import aiohttp

from shared.telemetry.metrics import METRICS
from tests.e2e.agency_live import free_port, living


def names(page: str) -> set[str]:
    """The metrics of a scraped page, a histogram as one."""
    return set(re.findall(r"^# TYPE (productive_\w+) ", page, re.MULTILINE))


async def get(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.text()


async def test_run_shows_the_metrics_of_everything_and_what_was_done(tmp_path: Path) -> None:
    async with living(tmp_path) as live:
        live.home.only("deals", "tasks")
        async with live.running("run", "--every", "1000") as running:
            await live.line("crawl ")
            await live.settle("bus")
            assert (await get(f"{live.url}/healthz"))[0] == 200
            _, page = await get(f"{live.url}/metrics")
            await live.stop(running)
    declared = {metric.scraped for metric in METRICS}
    assert names(page) == declared
    assert re.search(r'^productive_writer_rows_total\{outcome="applied",table="deals"\} [1-9]', page, re.M)
    assert re.search(r'^productive_crawl_tables_total\{outcome="done"\} 2.0', page, re.M)
    assert re.search(r"^productive_api_requests_total [1-9]", page, re.M)
    assert re.search(r'^productive_writer_latency_seconds_count\{source="backfill"\} [1-9]', page, re.M)
    assert re.search(r"^productive_writer_alive 1.0", page, re.M)


async def test_a_writer_serves_metrics_where_a_port_is_set(tmp_path: Path) -> None:
    async with living(tmp_path) as live:
        live.home.only("deals")
        port = free_port()
        live.home.variables["WRITER_METRICS_PORT"] = str(port)
        with live.home.start("writer") as writer:
            writer.line("metrics are at")
            assert await get(f"http://127.0.0.1:{port}/healthz") == (200, "alive\n")
            _, page = await get(f"http://127.0.0.1:{port}/metrics")
            await live.stop(writer)
    assert "productive_writer_alive 1.0" in page
    assert names(page) >= {
        metric.scraped for metric in METRICS if metric.area in ("writer", "bus", "process")
    }
