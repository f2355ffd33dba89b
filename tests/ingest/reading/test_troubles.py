"""Whatever does not work, nothing is lost, nothing spins, the rest goes on, and people are told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from services.ingest.reading.strikes import Strikes
from services.ingest.reading.troubles import Troubles
from services.sandbox import Faults
from shared.bus import Bus, BusSettings, Message, open_bus
from shared.clock import ManualClock
from shared.errors import BusyError, CredentialsError, RecordError, StorageError, UnreachableError
from shared.record.codec import BatchCodec
from tests.ingest.reading.bodies import body, delivery
from tests.ingest.reading.office import PATIENCE, QUICK, Line, Office, open_client
from tests.productive.server import Asked, Server, refused, reply

MANY = 10**6


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 -- it looks at what a server was asked
            await asyncio.sleep(0.005)


async def tell_some(office: Office, table: str, count: int = 3) -> list[str]:
    ids = office.sandbox.organization.ids(table)[:count]
    for id_ in ids:
        await office.tell(table, "update", id_)
    return ids


def _errors(faults: Faults) -> None:
    faults.errors_5xx = {"tasks": MANY}


def _garbage(faults: Faults) -> None:
    faults.redirects = {"tasks": "http://elsewhere.invalid/"}


@pytest.mark.parametrize("trouble", [_errors, _garbage])
async def test_while_a_table_cannot_be_read_the_others_go_on_and_it_follows_later(
    office: Office, trouble: Callable[[Faults], None]
) -> None:
    faults = office.sandbox.faults
    trouble(faults)
    ids = await tell_some(office, "tasks")
    async with office.running(office.reader()) as reader:
        await until(reader.problem)
        await tell_some(office, "expenses")
        await until(lambda: office.told.settled["reread", "expenses"] == 3)
        assert await office.dead() == []
        assert reader.problem()
        faults.errors_5xx, faults.redirects = {}, {}
        await office.drain(reader)
        assert reader.problem() is None
    assert (await office.rows("tasks")).keys() == set(ids)
    assert await office.differences("tasks") == []


async def test_while_productive_is_down_deletes_and_whole_payloads_still_flow(office: Office) -> None:
    office.sandbox.faults.errors_5xx = {"*": MANY}
    organization = office.sandbox.organization
    for id_ in organization.ids("time_entries"):
        await office.tell("time_entries", "update", id_)
    task = organization.ids("tasks")[0]
    await office.tell("tasks", "update", task, whole=True)
    await office.tell("expenses", "delete", "4711")
    async with office.running(office.reader(replace(QUICK, held=20, pull_messages=30))):
        await until(lambda: office.told.count("published") and office.told.count("deleted"))
        assert office.told.most_waiting <= 20
        office.sandbox.faults.errors_5xx = {}
        async with asyncio.timeout(PATIENCE):
            while await office.waiting():  # noqa: ASYNC110 -- the bus tells nobody
                await asyncio.sleep(0.01)
    assert (await office.rows("time_entries")).keys() == set(organization.ids("time_entries"))
    assert await office.differences("time_entries") == []


@pytest.mark.parametrize("down", [True, False])
async def test_a_table_that_is_down_or_slow_leaves_room_for_the_others(office: Office, down: bool) -> None:
    """There are many times more deliveries for it than may be held of all tables."""
    stuck = asyncio.Event()

    async def answer(asked: Asked) -> web.StreamResponse:
        if asked.path.split("/")[3] == "time_entries":
            if down:
                return refused(503)
            await stuck.wait()
        id_ = asked.path.rsplit("/", 1)[1]
        return reply({"data": {"id": id_, "type": "tasks", "attributes": {}}})

    for number in range(300):
        await office.receive(8, body("time_entry", number))
    await office.receive(24, body("task", 17))
    async with Server(answer) as server, open_client(office.sandbox, url=server.api_url) as client:
        limits = replace(QUICK, held=40, held_resting=5, pull_messages=50, stop=0.01)
        async with office.running(office.reader(limits, client=client)):
            await until(lambda: office.told.settled["reread", "tasks"] == 1)
            assert office.told.most_waiting <= 40
            stuck.set()
    assert (await office.rows("tasks")).keys() == {"17"}


async def test_a_server_that_is_down_is_not_asked_in_a_hot_loop(office: Office) -> None:
    office.sandbox.faults.errors_5xx = {"*": MANY}
    await tell_some(office, "tasks", 50)
    limits = replace(QUICK, first_pause=30.0, longest_pause=60.0)
    async with office.running(office.reader(limits)) as reader:
        await until(reader.problem)
        asked = len(office.sandbox.requests)
        await tell_some(office, "tasks", 50)
        await until(lambda: office.told.most_waiting >= 50)
        assert len(office.sandbox.requests) == asked


async def test_a_refused_token_is_told_and_nothing_is_lost_until_it_is_mended(office: Office) -> None:
    ids = await tell_some(office, "tasks")
    async with open_client(office.sandbox, token="wrong") as client:
        reader = office.reader(client=client)
        async with office.running(reader):
            await until(reader.problem)
            assert "token" in str(reader.problem())
            assert "wrong" not in str(reader.problem())
            with pytest.raises(CredentialsError):
                await office.drain(reader)
            client.connection = office.client.connection
            await until(lambda: office.told.count("reread") == 3)
            await until(lambda: reader.problem() is None)
    assert (await office.rows("tasks")).keys() == set(ids)
    assert await office.dead() == []


@pytest.mark.parametrize("whole", [True, False])
async def test_a_bus_that_takes_nothing_is_tried_again_and_nothing_is_acked(
    office: Office, whole: bool
) -> None:
    line = Line(office.bus)
    line.refuses = True
    for id_ in office.sandbox.organization.ids("tasks")[:5]:
        await office.tell("tasks", "update", id_, whole=whole)
    async with office.running(office.reader(bus=line)) as reader:
        await until(reader.problem)
        assert "disk is full" in str(reader.problem())
        assert await office.waiting() == 5
        line.refuses = False
        await until(lambda: sum(office.told.settled.values()) == 5)
        await until(lambda: reader.problem() is None)
    assert await office.waiting() == 0
    assert len(await office.rows("tasks")) == 5


class Refusing(Line):
    """Takes everything but what tells of one record."""

    def __init__(self, bus: Bus, codec: BatchCodec, id_: str) -> None:
        super().__init__(bus)
        self._codec = codec
        self._id = id_

    async def publish(self, messages: Sequence[Message]) -> None:
        for message in messages:
            batch = (await self._codec.decode(message)).batch
            if any(record.id == self._id for record in batch.records):
                raise RecordError("no bus would take it")
        await super().publish(messages)


@pytest.mark.parametrize("whole", [True, False])
async def test_one_record_that_no_bus_takes_is_set_aside_and_the_others_are_published(
    office: Office, whole: bool
) -> None:
    ids = office.sandbox.organization.ids("expenses")[:5]
    for id_ in ids:
        await office.tell("expenses", "update", id_, whole=whole)
    reader = office.reader(bus=Refusing(office.bus, office.codec, ids[2]))
    await office.drain(reader)
    assert await office.dead() == ["no bus would take it"]
    assert (await office.rows("expenses")).keys() == {*ids} - {ids[2]}
    assert reader.problem() is None


async def test_dead_letters_that_cannot_be_written_are_tried_again(office: Office) -> None:
    class Full(Line):
        tries = 0

        async def dead_letter(self, lease_id: str, reason: str) -> None:
            self.tries += 1
            if self.tries < 3:
                raise StorageError("the disk is full")
            await super().dead_letter(lease_id, reason)

    office.sandbox.faults.unavailable = {"tasks": (403, "forbidden")}
    await tell_some(office, "tasks", 1)
    reader = office.reader(intake=Full(office.intake))
    async with office.running(reader):
        await until(lambda: office.told.count("dead") == 1)
        await until(lambda: reader.problem() is None)
    assert len(await office.dead()) == 1


async def test_a_full_house_waits_for_room_and_takes_everything_in_the_end(office: Office) -> None:
    ids = office.sandbox.organization.ids("time_entries")[:30]
    for id_ in ids:
        await office.tell("time_entries", "update", id_)
    await office.drain(office.reader(replace(QUICK, held=4, held_share=1.0, pull_messages=4)))
    assert office.told.most_waiting == 4
    assert (await office.rows("time_entries")).keys() == set(ids)


async def test_an_intake_that_does_not_answer_is_tried_again(office: Office) -> None:
    line = Line(office.intake)
    line.refuses = True
    await tell_some(office, "tasks")
    async with office.running(office.reader(intake=line)) as reader:
        await until(reader.problem)
        before = reader.last_progress
        await until(lambda: reader.last_progress > before)
        line.refuses = False
        await until(lambda: office.told.count("reread") == 3)
    assert await office.waiting() == 0


async def test_one_record_that_productive_cannot_tell_is_set_aside_and_the_others_are_read(
    office: Office,
) -> None:
    def answer(asked: Asked) -> web.StreamResponse:
        last = asked.path.rsplit("/", 1)[1]
        ids = asked.query.get("filter[id]", last).split(",")
        if "13" in ids:
            return refused(418, title="I am a teapot")
        found = [{"id": id_, "type": "tasks", "attributes": {"title": id_}} for id_ in ids]
        return reply({"data": found if last == "tasks" else found[0]})

    async with Server(answer) as server, open_client(office.sandbox, url=server.api_url) as client:
        for id_ in (11, 12, 13, 14):
            await office.receive(24, body("task", id_))
        reader = office.reader(client=client)
        await office.drain(reader)
        assert reader.problem() is None
        asked = [one.path for one in server.asked]
    assert (await office.rows("tasks")).keys() == {"11", "12", "14"}
    [reason] = await office.dead()
    assert "418" in reason
    assert "teapot" in reason
    assert asked.count("/api/v2/tasks/13") <= QUICK.attempts + 1


async def test_a_delivery_is_not_delivered_again_while_its_record_is_being_read(
    office: Office, tmp_path: Path
) -> None:
    """On a clock that goes on with every look at the bus: many leases pass while the answer is awaited."""
    clock = ManualClock()
    intake = await open_bus(
        f"sqlite:///{tmp_path / 'other.sqlite'}", clock=clock, settings=BusSettings(lease_seconds=60.0)
    )

    async def answer(_: Asked) -> web.StreamResponse:
        answered_at = clock.monotonic() + 600.0
        await until(lambda: clock.monotonic() > answered_at)
        return reply({"data": {"id": "17", "type": "tasks", "attributes": {}}})

    async with Server(answer) as server, open_client(office.sandbox, url=server.api_url) as client:
        await intake.publish([delivery(24, body("task", 17)).message()])
        limits = replace(QUICK, extend=0.002, idle=0.5)
        await office.drain(office.reader(limits, intake=intake, client=client))
        assert len(server.asked) == 1
    assert office.told.most_waiting == 1
    await intake.close()


async def test_a_stopped_reader_gives_everything_back_at_once(office: Office) -> None:
    office.sandbox.faults.hang = MANY
    await tell_some(office, "tasks", 20)
    reader = office.reader(replace(QUICK, stop=0.01))
    async with office.running(reader):
        await until(lambda: len(office.told.settled) == 0 and office.told.most_waiting == 20)
    again = await office.intake.pull(max_messages=100, max_bytes=1 << 20, wait_seconds=0)
    assert len(again) == 20


async def test_a_reader_that_stops_finishes_what_is_under_way(office: Office) -> None:
    going_on = asyncio.Event()
    arrived = asyncio.Event()

    async def answer(_: Asked) -> web.StreamResponse:
        arrived.set()
        await going_on.wait()
        return reply({"data": {"id": "17", "type": "tasks", "attributes": {}}})

    async with Server(answer) as server, open_client(office.sandbox, url=server.api_url) as client:
        await office.receive(24, body("task", 17))
        reader = office.reader(client=client)
        running = asyncio.create_task(reader.run())
        await arrived.wait()
        reader.stop()
        going_on.set()
        async with asyncio.timeout(PATIENCE):
            await running
    assert (await office.rows("tasks")).keys() == {"17"}
    assert await office.waiting() == 0


def test_pauses_double_up_to_a_longest_and_start_anew_after_a_success() -> None:
    troubles = Troubles(first_pause=1.0, longest_pause=10.0)
    error = UnreachableError("it does not answer", advice="Wait.")
    assert [troubles.add("tasks", error) for _ in range(6)] == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    assert troubles.add("deals", error) == 1.0
    troubles.end("tasks")
    assert troubles.add("tasks", error) == 1.0


def test_of_all_troubles_the_one_that_needs_a_person_is_told() -> None:
    troubles = Troubles(first_pause=1.0, longest_pause=10.0)
    assert troubles.sentence() is None
    troubles.add("tasks", UnreachableError("it does not answer", advice="Wait."))
    assert troubles.sentence() == "it does not answer. Wait."
    troubles.add("deals", BusyError("somebody has it", advice="End it."))
    assert troubles.sentence() == "somebody has it. End it."


def test_a_record_is_out_only_when_others_make_sense() -> None:
    strikes = Strikes(3)
    assert [strikes.is_out("tasks", "1") for _ in range(10)] == [False] * 10
    strikes.good("tasks", "2")
    assert strikes.is_out("tasks", "1")


def test_a_good_answer_clears_a_record() -> None:
    strikes = Strikes(3)
    strikes.is_out("tasks", "1")
    strikes.is_out("tasks", "1")
    strikes.good("tasks", "1")
    assert [strikes.is_out("tasks", "1") for _ in range(3)] == [False, False, False]


def test_nothing_is_tried_for_ever() -> None:
    strikes = Strikes(3)
    assert True in [strikes.is_out("tasks", "1") for _ in range(100)]
