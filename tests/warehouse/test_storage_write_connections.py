"""How many connections and how much of the unanswered there is at once."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.clock import ManualClock, SystemClock
from shared.warehouse.bigquery.append_settings import AppendSettings
from shared.warehouse.bigquery.room import Room
from tests.google.storage_write_harness import DEALS, PEOPLE, many, new_table, town, upsert
from tests.google.storage_write_server import Cut, Silent

THIRD = "projects/agency-1/datasets/productive/tables/third"


# Connections


async def test_a_connection_that_idled_is_not_used_again() -> None:
    clock = ManualClock()
    async with town(clock=clock) as place:
        await place.append(upsert("1"))
        clock.advance(119)
        await place.append(upsert("2"))
        assert place.server.connections == 1
        clock.advance(120)
        await place.append(upsert("3"))
        assert place.server.connections == 2
        assert sorted(place.deals.rows) == ["1", "2", "3"]


async def test_connections_that_idle_are_closed_while_another_table_is_written_to() -> None:
    clock = ManualClock()
    async with town(clock=clock) as place:
        await place.append(upsert("1"), table=DEALS)
        clock.advance(120)
        await place.append(upsert("1"), table=PEOPLE)
        await place.server.closed_to(1)
        assert place.server.open == 1


async def test_connections_that_idle_are_closed_when_nothing_at_all_is_written() -> None:
    async with town(AppendSettings(idle_seconds=0.1), clock=SystemClock()) as place:
        await place.append(upsert("1"))
        await place.server.closed_to(0)


async def test_the_connection_unused_for_longest_makes_room_for_another() -> None:
    async with town(AppendSettings(connections=2), tables={THIRD: new_table()}) as place:
        for table in (DEALS, PEOPLE, DEALS, THIRD, DEALS, PEOPLE):
            await place.append(upsert("1"), table=table)
        assert [seen.connection for seen in place.server.seen] == [1, 2, 1, 3, 1, 4]


async def test_tables_share_the_connections_there_may_be_and_wait_for_their_turn() -> None:
    tables = {f"{DEALS}_{number}": new_table() for number in range(12)}
    async with town(AppendSettings(connections=3, request_bytes=500), tables=tables) as place:
        await asyncio.gather(*(place.append(*many(40), table=table) for table in tables))
        assert all(len(table.rows) == 40 for table in tables.values())
        assert place.server.connections >= 12
        # One that was told to end may still be on its way out.
        assert place.server.most_open < 12


async def test_a_broken_connection_makes_room_at_once() -> None:
    async with town(AppendSettings(connections=1)) as place:
        place.server.faults.extend([Cut(), Cut()])
        await asyncio.gather(place.append(upsert("1"), table=DEALS), place.append(upsert("1"), table=PEOPLE))
        assert place.deals.rows == place.people.rows == {"1": {"id": "1"}}


async def test_one_who_waits_for_a_connection_and_is_cancelled_holds_nobody_up() -> None:
    async with town(AppendSettings(connections=1), clock=SystemClock()) as place:
        place.server.faults.append(Silent())
        stuck = asyncio.create_task(place.append(upsert("1"), table=DEALS))
        await place.server.arrived.wait()
        waiting = [asyncio.create_task(place.append(upsert("1"), table=PEOPLE)) for _ in range(2)]
        for _ in range(5):
            await asyncio.sleep(0)
        waiting[0].cancel()
        stuck.cancel()
        await asyncio.wait([stuck, *waiting])
        assert await waiting[1] == []


async def test_requests_are_under_way_together_up_to_the_chosen_number() -> None:
    chosen = AppendSettings(requests_in_flight=4, request_bytes=1)
    async with town(chosen, clock=SystemClock()) as place:
        await place.append(upsert("1"))
        place.server.arrived.clear()
        place.server.faults.append(Silent())
        stuck = [asyncio.create_task(place.append(*many(20))) for _ in range(2)]
        await place.server.arrived.wait()
        async with place.appender._connections.use(DEALS) as connection:
            assert connection._room.requests == 4
        for task in stuck:
            task.cancel()
        await asyncio.wait(stuck)
        assert place.appender._room.requests == 0


# The room


@settings(deadline=None)
@given(
    sizes=st.lists(st.integers(0, 30), min_size=1, max_size=25),
    cancelled=st.sets(st.integers(0, 24)),
    most_bytes=st.integers(1, 40),
    requests=st.integers(1, 4),
)
async def test_a_room_is_never_fuller_than_it_may_be_and_everybody_gets_in(
    sizes: list[int], cancelled: set[int], most_bytes: int, requests: int
) -> None:
    room = Room(requests=requests, bytes_=most_bytes)
    entered: list[int] = []

    async def visit(index: int, size: int) -> None:
        await room.take(size)
        entered.append(index)
        assert room.requests <= requests
        assert room.bytes <= most_bytes or room.requests == 1
        await asyncio.sleep(0)
        room.give(size)

    visits = [asyncio.create_task(visit(index, size)) for index, size in enumerate(sizes)]
    await asyncio.sleep(0)
    for index in cancelled:
        if index < len(visits):
            visits[index].cancel()
            await asyncio.sleep(0)
            if index in entered and visits[index].cancelled():
                room.give(sizes[index])
    await asyncio.wait(visits)
    assert entered == sorted(entered)
    assert set(entered) | cancelled >= set(range(len(sizes)))
    assert (room.requests, room.bytes) == (0, 0)
