"""The pages of a process that takes no webhooks."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from services.cli.metrics import ProcessMetrics
from shared.bus import Backlog, Message, open_bus
from shared.clock import ManualClock
from shared.errors import BusyError, ConfigError, UnreachableError
from shared.telemetry.buses import BusMetrics
from shared.telemetry.server import serving_metrics
from shared.urls import url_of


async def test_metrics_and_health_are_served_and_nothing_else() -> None:
    registry, alive = ProcessMetrics().registry, True
    async with (
        serving_metrics("127.0.0.1", 0, registry, lambda: alive) as (host, port),
        aiohttp.ClientSession(f"http://{host}:{port}") as session,
    ):
        async with session.get("/metrics") as answer:
            assert answer.status == 200
            assert answer.content_type == "text/plain"
            assert "productive_build_info" in await answer.text()
        async with session.get("/healthz") as answer:
            assert (answer.status, await answer.text()) == (200, "alive\n")
        alive = False
        async with session.get("/healthz") as answer:
            assert (answer.status, await answer.text()) == (503, "stuck\n")
        async with session.get("/") as answer:
            assert answer.status == 404


async def test_a_taken_port_and_an_address_that_is_none_are_told_with_advice() -> None:
    registry = CollectorRegistry()
    async with serving_metrics("127.0.0.1", 0, registry, lambda: True) as (host, port):
        with pytest.raises(BusyError, match=f"port {port} of {host}, for metrics, is taken"):
            async with serving_metrics(host, port, registry, lambda: True):
                pass
    with pytest.raises(ConfigError, match="metrics"):
        async with serving_metrics("192.0.2.1", 0, registry, lambda: True):
            pass


async def test_the_backlog_of_a_bus_is_shown_with_the_age_of_its_oldest_message(tmp_path: Path) -> None:
    clock, registry = ManualClock(), CollectorRegistry()
    bus = await open_bus(url_of("sqlite", tmp_path / "bus.sqlite"), clock=clock)
    try:
        await bus.publish([Message(b"12345"), Message(b"67890")])
        await bus.bury(Message(b"x"), "no record")
        clock.advance(90)
        await BusMetrics(registry).look("records", bus, clock)
    finally:
        await bus.close()
    labels = {"bus": "records"}
    assert registry.get_sample_value("productive_bus_messages", labels) == 2
    assert registry.get_sample_value("productive_bus_oldest_seconds", labels) == 90
    assert registry.get_sample_value("productive_bus_dead_letters", labels) == 1
    assert (registry.get_sample_value("productive_bus_bytes", labels) or 0) >= 10


class _Sleeper(ManualClock):
    """A clock that tells when somebody sleeps on it, and does not wake them."""

    def __init__(self) -> None:
        super().__init__()
        self.asleep = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.asleep.set()
        await asyncio.Event().wait()


async def test_a_bus_that_does_not_answer_is_unknown_and_is_asked_again(tmp_path: Path) -> None:
    clock, registry = _Sleeper(), CollectorRegistry()
    bus = await open_bus(url_of("sqlite", tmp_path / "bus.sqlite"), clock=clock)
    metrics = BusMetrics(registry)
    answer = bus.backlog

    async def fails() -> Backlog:
        raise UnreachableError("no answer")

    def shown() -> float:
        return registry.get_sample_value("productive_bus_messages", {"bus": "intake"}) or 0.0

    try:
        bus.backlog = fails  # type: ignore[method-assign]
        await metrics.look("intake", bus, clock)
        assert math.isnan(shown())
        bus.backlog = answer  # type: ignore[method-assign]
        watching = asyncio.create_task(metrics.watch({"intake": bus}, clock, seconds=15))
        await clock.asleep.wait()
        assert shown() == 0
        assert clock.slept == [15]
        watching.cancel()
        await asyncio.wait([watching])
    finally:
        await bus.close()
