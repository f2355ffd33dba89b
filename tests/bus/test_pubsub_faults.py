"""What can go wrong between a bus and Pub/Sub: nothing is lost, and nothing is acked that was not done."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import grpc
import pytest

from shared.bus import Bus, BusSettings, Message
from shared.bus.pubsub.adapter import PubsubBus
from shared.bus.pubsub.holding import LONGEST_HOLD_SECONDS
from shared.bus.pubsub.names import parse
from shared.clock import SystemClock
from shared.errors import BackpressureError, RecordError, StorageError, UnreachableError
from tests.bus.pubsub_world import SETTINGS, TOPIC, URL, World, running_world
from tests.contracts.bus import take, take_one

Code = grpc.StatusCode
COUNT = 300
ROOT = Path(__file__).parents[2]


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    async with running_world(monkeypatch) as world:
        world.make_plain()
        yield world


def settings(**changes: float) -> BusSettings:
    return BusSettings(**{"quiet_seconds": 0.25, "retry_seconds": 5.0, **changes})  # type: ignore[arg-type]


async def publish_some(bus: Bus, count: int = COUNT) -> set[bytes]:
    bodies = [b"%d" % number for number in range(count)]
    await asyncio.gather(*(bus.publish([Message(body)]) for body in bodies))
    return set(bodies)


async def read_all(
    bus: Bus,
    wanted: set[bytes],
    between: Callable[[int], None] = lambda seen: None,
    *,
    wait_seconds: float = 5.0,
) -> None:
    """Take and ack until everything wanted has been seen; `between` is told how much that is by now."""
    seen: set[bytes] = set()
    while seen != wanted:
        deliveries = await bus.pull(max_messages=20, max_bytes=1_000_000, wait_seconds=wait_seconds)
        assert deliveries, f"nothing comes any more after {len(seen)}"
        seen |= {delivery.message.body for delivery in deliveries}
        await bus.ack([delivery.lease_id for delivery in deliveries])
        between(len(seen))


def assert_all_acked_once(world: World, count: int = COUNT) -> None:
    assert world.subscription.unacked == []
    assert len(world.subscription.acks) == count
    assert set(world.subscription.acks.values()) == {1}


@pytest.mark.parametrize("code", [Code.UNAVAILABLE, Code.INTERNAL, Code.ABORTED, None], ids=str)
async def test_a_stream_that_is_cut_again_and_again_is_opened_again(
    world: World, code: grpc.StatusCode | None
) -> None:
    bus = await world.open(settings(max_outstanding_messages=50))
    wanted = await publish_some(bus)
    cuts = 0

    def cut_twice(seen: int) -> None:
        nonlocal cuts
        if seen >= (cuts + 1) * 100 and cuts < 2:
            cuts += 1
            world.server.cut_streams(code)

    await read_all(bus, wanted, cut_twice)
    await bus.publish([Message(b"after")])
    await bus.ack([(await take_one(bus)).lease_id])
    assert world.server.calls["StreamingPull"] == 3
    assert_all_acked_once(world, COUNT + 1)


async def test_a_server_that_is_restarted_is_found_again_by_publishers_and_readers(world: World) -> None:
    bus = await world.open(settings(retry_seconds=30.0))
    wanted = await publish_some(bus)
    port = world.server.port
    reading = asyncio.create_task(read_all(bus, wanted | {b"meanwhile"}, wait_seconds=6_000))
    await asyncio.sleep(0)
    await world.server.stop()
    publishing = asyncio.create_task(bus.publish([Message(b"meanwhile")]))
    await asyncio.sleep(0.3)
    assert not publishing.done()
    await world.server.start(port)
    await publishing
    # What was on its way when the machine went comes when its lease has ended.
    while not reading.done():
        world.clock.advance(world.lease_seconds / 4)
        world.state.tick()
        await asyncio.wait([reading], timeout=0.3)
    await reading
    assert world.subscription.unacked == []
    assert set(world.subscription.acks.values()) == {1}


@pytest.mark.parametrize(
    "code", [Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED, Code.INTERNAL, Code.ABORTED, Code.CANCELLED], ids=str
)
async def test_requests_that_fail_for_the_moment_are_made_again(world: World, code: grpc.StatusCode) -> None:
    bus = await world.open()
    for method in ("Publish", "Acknowledge", "StreamingPull"):
        world.server.fault(method, "refuse", code, times=2)
    await read_all(bus, await publish_some(bus))
    assert world.state.published[TOPIC] == COUNT
    assert_all_acked_once(world)


async def test_an_ack_whose_answer_is_lost_is_sent_again_and_counts_once(world: World) -> None:
    bus = await world.open()
    wanted = await publish_some(bus)
    world.server.fault("Acknowledge", "lose", times=2)
    await read_all(bus, wanted)
    assert world.subscription.late_acks > 0
    assert_all_acked_once(world)


async def test_a_publish_whose_answer_is_lost_may_be_there_twice_and_is_never_lost(world: World) -> None:
    bus = await world.open()
    world.server.fault("Publish", "lose")
    await bus.publish([Message(b"x")])
    assert [delivery.message.body for delivery in await take(bus)] == [b"x", b"x"]


async def test_acks_that_never_arrive_are_told_and_the_message_comes_again(world: World) -> None:
    bus = await world.open(settings(retry_seconds=0.3))
    await bus.publish([Message(b"x")])
    first = await take_one(bus)
    world.server.fault("Acknowledge", "refuse", times=100)
    with pytest.raises(UnreachableError):
        await bus.ack([first.lease_id])
    world.server.faults.clear()
    assert not await bus.is_drained()
    await world.let_pass(world.lease_seconds + 1)
    second = await take_one(bus)
    assert (second.message_id, second.attempt) == (first.message_id, 2)


async def test_acks_that_never_arrived_can_be_said_again_while_the_lease_holds(world: World) -> None:
    bus = await world.open(settings(retry_seconds=0.2))
    await publish_some(bus, 1)
    delivery = await take_one(bus)
    world.server.fault("Acknowledge", "refuse", times=100)
    with pytest.raises(UnreachableError):
        await bus.ack([delivery.lease_id])
    world.server.faults.clear()
    await bus.ack([delivery.lease_id])
    assert_all_acked_once(world, 1)


async def test_publishing_ends_when_nobody_answers(world: World) -> None:
    bus = await world.open(settings(request_seconds=0.2, retry_seconds=0.5))
    world.server.fault("Publish", "hang", times=100)
    with pytest.raises(UnreachableError, match="does not answer"):
        await bus.publish([Message(b"x")])


async def test_publishing_ends_when_nobody_is_there(world: World) -> None:
    bus = await world.open(settings(retry_seconds=0.5))
    await world.server.stop()
    with pytest.raises(UnreachableError, match="does not answer"):
        await bus.publish([Message(b"x")])


async def test_a_publish_that_hangs_is_tried_on_a_new_connection(world: World) -> None:
    bus = await world.open(settings(request_seconds=0.2))
    await bus.publish([Message(b"warm")])
    world.server.fault("Publish", "hang")
    await bus.publish([Message(b"x")])
    assert {delivery.message.body for delivery in await take(bus, count=2)} == {b"warm", b"x"}
    assert len(world.server.peers["Publish"]) == 2


async def test_a_bus_that_is_too_slow_pushes_back(world: World) -> None:
    bus = await world.open(
        settings(max_unpublished_bytes=1_000, publish_deadline_seconds=0.2, request_seconds=2.0)
    )
    world.server.fault("Publish", "hang", times=1)
    stuck = asyncio.create_task(bus.publish([Message(b"x" * 900)]))
    await asyncio.sleep(0.05)
    with pytest.raises(BackpressureError):
        await bus.publish([Message(b"y" * 900)])
    await stuck


async def test_more_than_there_is_room_for_is_published_bit_by_bit(world: World) -> None:
    bus = await world.open(settings(max_unpublished_bytes=5_000))
    await asyncio.gather(
        *(bus.publish([Message(b"%d" % n + b"x" * 900) for n in range(20)]) for _ in range(5))
    )
    assert world.state.published[TOPIC] == 100


async def test_who_stops_waiting_for_room_leaves_it_to_others(world: World) -> None:
    bus = await world.open(settings(max_unpublished_bytes=1_000, request_seconds=0.5))
    world.server.fault("Publish", "hang")
    first = asyncio.create_task(bus.publish([Message(b"1" * 900)]))
    second = asyncio.create_task(bus.publish([Message(b"2" * 900)]))
    third = asyncio.create_task(bus.publish([Message(b"3" * 900)]))
    await asyncio.sleep(0.05)
    second.cancel()
    await asyncio.gather(first, third)
    assert {delivery.message.body[:1] for delivery in await take(bus, count=2)} == {b"1", b"3"}


async def test_one_message_that_is_refused_keeps_no_other_from_being_published(world: World) -> None:
    bus = await world.open()
    bad = Message(b"bad", {"googclient": "x"})
    results = await asyncio.gather(
        *(bus.publish([message]) for message in [Message(b"1"), bad, Message(b"2"), Message(b"3")]),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [type(None), RecordError, type(None), type(None)]
    assert {delivery.message.body for delivery in await take(bus, count=3)} == {b"1", b"2", b"3"}


async def test_requests_are_made_of_what_many_publish_and_stay_under_the_limits(world: World) -> None:
    bus = await world.open()
    await asyncio.gather(*(bus.publish([Message(b"%d" % number)]) for number in range(2_000)))
    assert world.server.calls["Publish"] <= 20
    await asyncio.gather(*(bus.publish([Message(b"x" * 3_000_000)]) for _ in range(4)))
    assert world.server.largest["Publish"] < 4_500_000


async def test_a_message_that_is_too_large_only_as_it_is_sent_is_refused_before_anything_is(
    world: World,
) -> None:
    bus = await world.open()
    with pytest.raises(RecordError, match="as they are sent"):
        await bus.publish([Message(b"good"), Message(b"v" * 9_999_990, {"k": "v"})])
    assert await take(bus) == []


async def test_large_messages_arrive_and_no_more_of_them_than_there_is_room_for(world: World) -> None:
    bus = await world.open()
    for number in range(6):
        await bus.publish([Message(b"%d" % number * 9_900_000)])
    [first] = await bus.pull(max_messages=1, max_bytes=1, wait_seconds=5)
    await world.settle()
    assert len(world.subscription.leases) <= 2
    await bus.ack([first.lease_id])
    seen = {first.message.body[:1]}
    while len(seen) < 6:
        [delivery] = await bus.pull(max_messages=1, max_bytes=1, wait_seconds=5)
        seen.add(delivery.message.body[:1])
        await bus.ack([delivery.lease_id])
    assert_all_acked_once(world, 6)


async def test_no_more_messages_are_outstanding_than_there_may_be(world: World) -> None:
    bus = await world.open(settings(max_outstanding_messages=10))
    await publish_some(bus, 50)
    deliveries = list(await bus.pull(max_messages=100, max_bytes=1_000, wait_seconds=5))
    while more := await bus.pull(max_messages=100, max_bytes=1_000, wait_seconds=0.1):
        deliveries += more
    assert len(deliveries) == 10
    await bus.ack([delivery.lease_id for delivery in deliveries])
    assert await bus.pull(max_messages=100, max_bytes=1_000, wait_seconds=5)


async def test_what_waits_for_a_reader_keeps_its_lease_and_is_delivered_once(world: World) -> None:
    bus = await world.open()
    await publish_some(bus, 5)
    [first] = await bus.pull(max_messages=1, max_bytes=1_000, wait_seconds=5)
    await bus.ack([first.lease_id])
    await world.let_pass(10 * world.lease_seconds)
    assert [delivery.attempt for delivery in await take(bus, count=4)] == [1] * 4
    assert not world.subscription.ready


async def test_a_reader_gets_the_whole_lease_of_what_waited_for_it(world: World) -> None:
    bus = await world.open()
    await publish_some(bus, 2)
    await bus.pull(max_messages=1, max_bytes=1_000, wait_seconds=5)
    await world.let_pass(world.lease_seconds * 0.3)
    [second] = await bus.pull(max_messages=1, max_bytes=1_000, wait_seconds=5)
    await world.let_pass(world.lease_seconds * 0.9)
    await bus.ack([second.lease_id])
    assert sum(world.subscription.acks.values()) == 1


async def test_what_nobody_takes_for_an_hour_is_given_back(world: World) -> None:
    bus = await world.open()
    await publish_some(bus, 2)
    await bus.pull(max_messages=1, max_bytes=1_000, wait_seconds=5)
    [waiting] = [one for one in world.subscription.leases.values() if one.entry.message.data == b"1"]
    await world.let_pass(LONGEST_HOLD_SECONDS - 100, steps=120)
    assert waiting.entry.attempts == 1
    await world.let_pass(200)
    assert waiting.entry.attempts == 2


async def test_a_lease_is_not_extended_for_ever(world: World) -> None:
    bus = await world.open()
    await publish_some(bus, 1)
    delivery = await take_one(bus)
    for _ in range(int(LONGEST_HOLD_SECONDS / 50) - 1):
        await world.let_pass(50, steps=1)
        await bus.extend([delivery.lease_id])
    assert not world.subscription.ready
    assert [lease.entry.attempts for lease in world.subscription.leases.values()] == [1]
    for _ in range(3):
        await world.let_pass(50, steps=1)
        await bus.extend([delivery.lease_id])
    assert (await take_one(bus)).attempt == 2


async def test_a_message_that_comes_again_while_it_waits_is_given_out_once(world: World) -> None:
    bus = await world.open()
    await publish_some(bus, 2)
    await bus.pull(max_messages=1, max_bytes=1_000, wait_seconds=5)
    [waiting] = [
        ack_id for ack_id, lease in world.subscription.leases.items() if lease.entry.message.data == b"1"
    ]
    world.subscription.give_back(waiting)
    await asyncio.sleep(0.1)
    [delivery] = await take(bus)
    assert (delivery.message.body, delivery.attempt) == (b"1", 2)
    await bus.ack([delivery.lease_id])
    assert Counter(world.subscription.acks.values()) == {1: 1}


async def test_a_bus_that_is_closed_gives_back_what_nobody_was_given_and_tells_its_acks(world: World) -> None:
    bus = await world.open()
    await publish_some(bus, 10)
    taken = await bus.pull(max_messages=4, max_bytes=1_000, wait_seconds=5)
    acking = asyncio.create_task(bus.ack([delivery.lease_id for delivery in taken[:2]]))
    await asyncio.sleep(0)
    await bus.close()
    await acking
    assert len(world.subscription.acks) == 2
    other = await world.open()
    assert len(await take(other, count=6)) == 6
    assert await take(other) == []  # two are still somebody's


async def test_closing_ends_soon_when_nobody_answers(world: World) -> None:
    bus = await world.open()
    await publish_some(bus, 10)
    await bus.pull(max_messages=1, max_bytes=1_000, wait_seconds=5)
    await world.server.stop()
    async with asyncio.timeout(9):
        await bus.close()


async def test_whoever_waits_on_a_bus_that_is_closed_is_told(world: World) -> None:
    bus = await world.open()
    pulling = asyncio.create_task(bus.pull(max_messages=1, max_bytes=1_000, wait_seconds=60))
    await asyncio.sleep(0.05)
    await bus.close()
    with pytest.raises(StorageError, match="closed"):
        await pulling
    with pytest.raises(StorageError, match="closed"):
        await bus.publish([Message(b"x")])


async def test_a_stream_that_brings_nothing_although_messages_wait_is_opened_anew(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    bus = await world.open()
    assert await take(bus) == []
    world.server.is_silent = True
    wanted = await publish_some(bus, 50)
    with caplog.at_level(logging.WARNING):
        await world.let_pass(SETTINGS.silent_seconds + 1)
        async with asyncio.timeout(10):
            while world.server.calls["StreamingPull"] < 2:  # noqa: ASYNC110 -- at the other end of a line
                await asyncio.sleep(0.01)
    world.server.is_silent = False
    world.subscription.changed.set()
    await read_all(bus, wanted)
    assert "it is opened anew" in caplog.text
    assert len(world.server.peers["StreamingPull"]) == 2
    assert_all_acked_once(world, 50)


async def test_a_check_on_a_stream_that_fails_is_made_again(world: World) -> None:
    bus = await world.open()
    assert await take(bus) == []
    world.server.is_silent = True
    await publish_some(bus, 50)
    world.server.fault("Pull", "refuse", Code.INTERNAL)
    async with asyncio.timeout(20):
        while world.server.calls["StreamingPull"] < 2:
            await world.let_pass(SETTINGS.silent_seconds / 2)
    assert world.server.calls["Pull"] >= 2


async def test_a_stream_that_is_silent_because_nothing_waits_is_left_alone(world: World) -> None:
    bus = await world.open()
    assert await take(bus) == []
    await world.let_pass(3 * SETTINGS.silent_seconds)
    assert world.server.calls["StreamingPull"] == 1


async def test_a_reader_is_told_what_a_person_has_to_mend_and_reads_on_once_it_is(world: World) -> None:
    bus = await world.open()
    await publish_some(bus, 1)
    world.server.fault("StreamingPull", "refuse", Code.PERMISSION_DENIED)
    with pytest.raises(StorageError, match=r"permission.*is missing"):
        await bus.pull(max_messages=1, max_bytes=1_000, wait_seconds=5)
    assert (await bus.pull(max_messages=1, max_bytes=1_000, wait_seconds=5))[0].message.body == b"0"


async def test_a_reader_is_told_when_nobody_answers_for_long(world: World) -> None:
    bus = await world.open(settings(retry_seconds=0.3))
    await world.server.stop()
    with pytest.raises(UnreachableError):
        await bus.pull(max_messages=1, max_bytes=1_000, wait_seconds=20)
    with pytest.raises(UnreachableError):
        await bus.is_drained()


async def test_a_stream_that_was_cut_is_forgiven_once_it_stays_open_though_nothing_comes(
    world: World,
) -> None:
    bus = await world.open()
    assert await take(bus) == []
    world.server.cut_streams()
    async with asyncio.timeout(10):
        while world.server.calls["StreamingPull"] < 2:  # noqa: ASYNC110 -- at the other end of a line
            await asyncio.sleep(0.01)
    await world.settle()
    await world.let_pass(SETTINGS.silent_seconds * 2)
    assert await take(bus) == []
    assert await bus.is_drained()


async def test_a_bus_is_not_drained_while_something_that_was_put_off_is_to_come(world: World) -> None:
    bus = await world.open()
    await publish_some(bus, 1)
    await bus.release([(await take_one(bus)).lease_id], delay_seconds=100)
    await world.let_pass(50)
    assert not await bus.is_drained()
    await world.let_pass(51)
    await bus.ack([(await take_one(bus)).lease_id])
    # The watch on silent streams may just have opened a new one, from when on it has to be quiet.
    async with asyncio.timeout(10):
        while not await bus.is_drained():
            await world.let_pass(SETTINGS.quiet_seconds + 0.1)


async def test_a_bus_that_cannot_be_reached_is_not_taken_to_be_drained(world: World) -> None:
    bus = await world.open()
    world.server.fault("StreamingPull", "refuse", times=1_000)
    assert not await bus.is_drained()
    await asyncio.sleep(SETTINGS.quiet_seconds * 2)
    assert not await bus.is_drained()


async def test_a_bus_that_has_just_been_opened_is_not_taken_to_be_drained(world: World) -> None:
    bus = await world.open()
    await bus.publish([Message(b"x")])
    other = await world.open()
    assert not await other.is_drained()
    await other.ack([(await take_one(other)).lease_id])
    assert not await other.is_drained()
    await world.let_pass(SETTINGS.quiet_seconds + 0.1)
    assert await other.is_drained()


async def test_pulls_that_are_cancelled_lose_nothing(world: World) -> None:
    bus = await world.open()
    seen = []
    for number in range(20):
        pulling = asyncio.create_task(bus.pull(max_messages=1, max_bytes=1_000, wait_seconds=5))
        await asyncio.sleep(0)
        await bus.publish([Message(b"%d" % number)])
        pulling.cancel()
        [outcome] = await asyncio.gather(pulling, return_exceptions=True)
        if not isinstance(outcome, BaseException):
            seen += [delivery.message.body for delivery in outcome]
    seen += [delivery.message.body for delivery in await take(bus, count=20 - len(seen))]
    assert sorted(seen) == sorted(b"%d" % number for number in range(20))


async def test_a_pull_that_is_cancelled_while_its_leases_are_extended_gives_its_messages_to_the_next(
    world: World,
) -> None:
    bus = await world.open()
    await publish_some(bus, 2)
    await bus.pull(max_messages=1, max_bytes=1_000, wait_seconds=5)
    await asyncio.sleep(0.05)
    world.clock.advance(world.lease_seconds * 0.3)
    world.server.fault("ModifyAckDeadline", "refuse", times=1_000)
    pulling = asyncio.create_task(bus.pull(max_messages=1, max_bytes=1_000, wait_seconds=5))
    await asyncio.sleep(0.1)
    assert not pulling.done()
    pulling.cancel()
    await asyncio.gather(pulling, return_exceptions=True)
    world.server.faults.clear()
    [delivery] = await bus.pull(max_messages=1, max_bytes=1_000, wait_seconds=5)
    assert (delivery.message.body, delivery.attempt) == (b"1", 1)


async def test_a_message_whose_dead_letter_cannot_be_written_can_be_set_aside_later(world: World) -> None:
    bus = await world.open(settings(retry_seconds=0.2))
    await publish_some(bus, 1)
    delivery = await take_one(bus)
    world.server.fault("Publish", "refuse", times=1_000)
    with pytest.raises(UnreachableError):
        await bus.dead_letter(delivery.lease_id, "bad")
    world.server.faults.clear()
    await bus.dead_letter(delivery.lease_id, "bad")
    assert len(await bus.dead_letters(limit=10)) == 1
    assert world.subscription.unacked == []


@pytest.mark.parametrize("code", [Code.FAILED_PRECONDITION, Code.INVALID_ARGUMENT], ids=str)
async def test_a_lease_that_pubsub_does_not_know_any_more_has_ended(
    world: World, code: grpc.StatusCode
) -> None:
    bus = await world.open()
    await publish_some(bus, 3)
    leases = [delivery.lease_id for delivery in await take(bus, count=3)]
    world.server.fault("Acknowledge", "refuse", code)  # all three at once; then they are told one by one
    await bus.ack(leases)
    assert len(world.subscription.acks) == 3
    await publish_some(bus, 1)
    world.server.fault("Acknowledge", "refuse", code)
    await bus.ack([(await take_one(bus)).lease_id])
    assert len(world.subscription.acks) == 3


async def test_a_server_that_keeps_to_no_limits_is_not_read_from_without_end(world: World) -> None:
    world.server.keeps_to_limits = False
    bus = await world.open(settings(max_outstanding_messages=10))
    wanted = await publish_some(bus, 3_000)
    first = await bus.pull(max_messages=1, max_bytes=1_000, wait_seconds=5)
    await world.settle()
    assert (await bus.backlog()).messages < 2_000  # one response more than is allowed for
    await bus.release([delivery.lease_id for delivery in first])
    await read_all(bus, wanted)
    assert_all_acked_once(world, 3_000)


async def test_a_reader_is_told_when_whoever_listens_there_says_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:  # connections are made, and nobody takes them
        port = listening.getsockname()[1]
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", f"127.0.0.1:{port}")
        impatient = settings(request_seconds=0.2, retry_seconds=0.3)
        bus = PubsubBus(parse(URL), clock=SystemClock(), settings=impatient)
        with pytest.raises(UnreachableError):
            await bus.pull(max_messages=1, max_bytes=1_000, wait_seconds=20)
        with pytest.raises(UnreachableError):
            await bus.publish([Message(b"x")])
        with pytest.raises(UnreachableError):
            await bus.dead_letters(limit=1)  # and not that there are none
        await bus.close()


_READER = """
import asyncio
from shared.bus import BusSettings
from shared.bus.pubsub.connect import connect
from shared.clock import SystemClock

async def main():
    bus = await connect("pubsub://agency-data/records", clock=SystemClock(), settings=BusSettings())
    taken = await bus.pull(max_messages=10, max_bytes=1_000, wait_seconds=30)
    await bus.ack([delivery.lease_id for delivery in taken[:1]])
    print(len(taken), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_what_a_reader_that_is_killed_had_goes_to_another(world: World) -> None:
    bus = await world.open()
    await publish_some(bus, 30)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _READER,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        assert process.stdout is not None
        taken = int(await asyncio.wait_for(process.stdout.readline(), 60))
    finally:
        process.kill()
        await process.wait()
    assert 1 <= taken <= 10
    async with asyncio.timeout(10):
        # Until Pub/Sub sees that its stream is gone, it would deliver to it.
        while world.server.streams:  # noqa: ASYNC110 -- at the other end of a line
            await asyncio.sleep(0.01)
    world.clock.advance(world.lease_seconds + 1)
    world.state.tick()
    assert len(await take(bus, count=29)) == 29
    assert len(world.subscription.acks) == 1
