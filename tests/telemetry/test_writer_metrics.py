"""What the writer counts is what it did."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.errors import UnreachableError
from shared.warehouse import TableSchema, WriteOutcome
from tests.telemetry.journey import Journey, journey


def value(world: Journey, name: str, **labels: str) -> float:
    return world.metrics.registry.get_sample_value(f"productive_writer_{name}", labels) or 0.0


async def test_rows_messages_and_their_age_are_counted_when_they_are_durable(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        first, second = world.task_ids()[:2]
        for id_ in (first, second):
            await world.deliver(id_, whole=True)
        await world.read()
        writer = await world.write()
        assert value(world, "rows_total", outcome="applied", table="tasks") == 2
        messages = value(world, "messages_total", outcome="written")
        assert messages >= 1
        assert value(world, "latency_seconds_count", source="webhook") == messages
        assert value(world, "latency_seconds_count", source="backfill") == 0
        assert value(world, "write_rows_sum") == 2
        assert value(world, "write_seconds_count") >= 1
        assert value(world, "last_write_timestamp_seconds") > 1_700_000_000
        assert (value(world, "held_messages"), value(world, "oldest_held_seconds")) == (0, 0)
        assert writer.is_alive
        assert value(world, "alive") == 1


async def test_what_comes_again_is_counted_as_stale(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        [id_] = world.task_ids()[:1]
        await world.deliver(id_, whole=True)
        await world.read()
        [leased] = await world.office.bus.pull(max_messages=1, max_bytes=1 << 20, wait_seconds=0)
        await world.office.bus.publish([leased.message])
        await world.office.bus.release([leased.lease_id])
        await world.write()
        await world.office.bus.publish([leased.message])
        await world.write()
        assert value(world, "rows_total", outcome="stale", table="tasks") == 1


async def test_what_is_given_back_and_what_is_set_aside_are_counted_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with journey(tmp_path) as world:
        await world.deliver(world.task_ids()[0], whole=True)
        await world.read()
        write, failures = world.warehouse.write, [UnreachableError("away"), *[ValueError("a bug")] * 5]

        async def fails(schema: TableSchema, rows: object) -> WriteOutcome:
            if failures:
                raise failures.pop(0)
            return await write(schema, rows)  # type: ignore[arg-type]

        monkeypatch.setattr(world.warehouse, "write", fails)
        await world.write()
        assert value(world, "messages_total", outcome="returned") == 4
        assert value(world, "messages_total", outcome="dead") == 1
        assert value(world, "messages_total", outcome="written") == 0
