"""Deliveries in objects."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.delivery import Delivery
from services.ingest.receiver.spool import Spool, UnreadableError, decode, encode
from shared.clock import ManualClock, SystemClock
from shared.errors import StorageError
from tests.ingest.receiver.world import World

deliveries = st.lists(
    st.builds(Delivery, st.integers(1, 9_999), st.integers(0, 1 << 62), st.binary(max_size=50)), max_size=5
)


@given(deliveries)
def test_deliveries_come_back_from_an_object_as_they_were(some: list[Delivery]) -> None:
    assert decode(encode(some)) == some


@given(deliveries, st.data())
def test_an_object_that_was_cut_or_changed_anywhere_is_unreadable(
    some: list[Delivery], data: st.DataObject
) -> None:
    whole = encode(some)
    with pytest.raises(UnreadableError):
        decode(whole[: data.draw(st.integers(0, len(whole) - 1))])
    changed = bytearray(whole)
    changed[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(UnreadableError):
        decode(bytes(changed))


def test_a_good_checksum_over_something_else_is_unreadable_too() -> None:
    rows = encode([Delivery("one", 1, b"")])  # type: ignore[arg-type]
    with pytest.raises(UnreadableError):
        decode(rows)


async def test_objects_are_listed_oldest_first(world: World) -> None:
    clock = ManualClock()
    spool = Spool(world.objects, clock, max_bytes=1 << 20)
    for number in range(12):
        delivery = Delivery(1, number, b"")
        assert spool.reserve(delivery)
        await spool.write([delivery])
        clock.advance(1)
    read = [await spool.read(name) for name in await spool.names()]
    assert [found[0].received_us for found in read if found] == list(range(12))


async def test_the_room_is_bounded_and_known_again_after_a_restart(world: World) -> None:
    spool = Spool(world.objects, SystemClock(), max_bytes=20_000)
    large = Delivery(1, 1, bytes(9_000))
    assert spool.reserve(large)
    assert spool.reserve(large)
    assert not spool.reserve(large)
    await spool.write([large, large])
    assert not spool.reserve(large)
    assert spool.is_full

    again = Spool(world.objects, SystemClock(), max_bytes=20_000)
    [name] = await again.names()
    assert again.is_full
    await again.remove(name)
    await again.remove(name)
    assert again.bytes == 0
    assert again.reserve(large)


async def test_a_write_that_fails_gives_its_room_back(world: World) -> None:
    spool = Spool(world.objects, SystemClock(), max_bytes=20_000)
    world.objects.state = "down"
    delivery = Delivery(1, 1, b"body")
    assert spool.reserve(delivery)
    with pytest.raises(StorageError):
        await spool.write([delivery])
    assert spool.bytes == 0


async def test_many_small_objects_count_for_what_they_take_on_a_disk(world: World) -> None:
    spool = Spool(world.objects, SystemClock(), max_bytes=20_000)
    written = 0
    while spool.reserve(delivery := Delivery(1, 1, b"")):
        await spool.write([delivery])
        written += 1
    assert written == 5
