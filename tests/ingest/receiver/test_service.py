"""A receiver begins, tells how it is, and ends."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from services.ingest.receiver.limits import ReceiverLimits
from services.ingest.receiver.service import Receiver
from shared.clock import ManualClock
from shared.errors import BusyError, ConfigError
from tests.ingest.receiver.world import QUICK, Client, State, World, open_world, running


async def test_a_taken_port_is_told_as_such(world: World, client: Client) -> None:
    with pytest.raises(BusyError, match=str(client.address[1])) as caught:
        await Receiver(replace(world.env, port=client.address[1])).start()
    assert "receiver.port" in caught.value.advice


@pytest.mark.parametrize(
    ("host", "port"), [("192.0.2.1", 0), ("no.such.host.invalid", 0), ("127.0.0.1", 70_000)]
)
async def test_an_address_that_is_not_ours_is_a_mistake_in_the_settings(
    world: World, host: str, port: int
) -> None:
    with pytest.raises(ConfigError) as caught:
        await Receiver(replace(world.env, host=host, port=port)).start()
    assert caught.value.advice


@pytest.mark.parametrize("wrong", [{"body_bytes": 0}, {"body_bytes": 9_950_000}, {"bodies_bytes": 1_000}])
def test_bounds_that_cannot_hold_are_a_mistake_in_the_settings(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError):
        ReceiverLimits(**wrong)


@pytest.mark.parametrize("state", ["down", "hanging"])
async def test_a_receiver_starts_although_its_stores_do_not_work_yet(world: World, state: State) -> None:
    world.bus.state = world.objects.state = state
    async with running(world) as client:
        assert (await client.get("/healthz")).status == 200
        assert (await client.deliver(b"body")).status == 503


async def test_a_receiver_runs_until_it_is_told_to_stop_and_may_be_told_twice(world: World) -> None:
    receiver = Receiver(world.env)
    task = asyncio.create_task(receiver.run())
    await asyncio.sleep(0)
    receiver.stop()
    receiver.stop()
    await task
    await receiver.close()


async def test_a_receiver_without_its_sweeper_is_not_alive(world: World) -> None:
    async with Receiver(world.env) as receiver:
        assert (receiver.is_alive, receiver.is_ready) == (True, True)
    assert (receiver.is_alive, receiver.is_ready) == (False, False)


async def test_a_receiver_whose_background_work_is_stuck_is_not_alive(tmp_path: Path) -> None:
    clock = ManualClock()
    patient = replace(QUICK, sweep_idle_seconds=600.0)
    async with open_world(tmp_path, limits=patient, clock=clock) as world, running(world) as client:
        assert (await client.get("/healthz")).status == 200
        clock.advance(121)
        assert (await client.get("/healthz")).status == 503


async def test_the_bus_and_the_objects_stay_open_for_whoever_shares_them(world: World) -> None:
    async with running(world) as client:
        assert (await client.deliver(b"body")).status == 200
    assert len(await world.bus.deliveries()) == 1
    assert await world.spooled() == []


async def test_a_receiver_is_alive_only_while_what_runs_beside_it_is(world: World) -> None:
    reads = True
    async with Receiver(replace(world.env, also_alive=lambda: reads)) as receiver:
        assert receiver.is_alive
        reads = False
        assert not receiver.is_alive
