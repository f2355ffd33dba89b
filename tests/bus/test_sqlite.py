from __future__ import annotations

import asyncio
import sqlite3
import stat
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from shared.bus import Bus, BusSettings, Message, open_bus
from shared.bus.sqlite.adapter import SqliteBus
from shared.bus.sqlite.committer import Committer, Durability, tidy
from shared.bus.sqlite.schema import open_file
from shared.clock import ManualClock, SystemClock
from shared.errors import BackpressureError, ConfigError, StorageError
from shared.urls import path_of, url_of
from tests.contracts.bus import take, take_one

PUBLISH_FOR_EVER = """
import asyncio, itertools, sys
from shared.bus import Message, open_bus

async def main():
    bus = await open_bus(sys.argv[1])
    numbers = itertools.count()
    async def publish():
        for number in numbers:
            await bus.publish([Message(b"%d" % number)])
            print(number, flush=True)
    await asyncio.gather(*(publish() for _ in range(8)))

asyncio.run(main())
"""

PUBLISH = """
import asyncio, sys
from shared.bus import Message, open_bus

async def main():
    bus = await open_bus(sys.argv[1])
    messages = [Message(f"{sys.argv[2]}{number}".encode()) for number in range(100)]
    await asyncio.gather(*(bus.publish([message]) for message in messages))
    await bus.close()

asyncio.run(main())
"""

LEASE_AND_HANG = """
import asyncio, sys
from shared.bus import open_bus

async def main():
    bus = await open_bus(sys.argv[1])
    print(len(await bus.pull(max_messages=10, max_bytes=1_000, wait_seconds=10)), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""

FILL_THE_DISK = """
import asyncio, resource, sys
from shared.bus import Message, open_bus
from shared.errors import StorageError

async def main():
    bus = await open_bus(sys.argv[1])
    await bus.publish([Message(b"first")])
    [delivery] = await bus.pull(max_messages=1, max_bytes=1_000, wait_seconds=10)
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
    published = 0
    try:
        while True:
            await bus.publish([Message(b"x" * 50_000)])
            published += 1
    except StorageError as error:
        print(error.message, "|", error.advice)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    await bus.ack([delivery.lease_id])
    await bus.publish([Message(b"last")])
    print(published + 1, (await bus.backlog()).messages)
    await bus.close()

asyncio.run(main())
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bus.db"


@pytest.fixture
def url(path: Path) -> str:
    return url_of("sqlite", path)


@pytest.fixture
async def bus(url: str) -> AsyncIterator[Bus]:
    bus = await open_bus(url)
    yield bus
    await bus.close()


async def python(script: str, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, *arguments, stdout=asyncio.subprocess.PIPE
    )


async def test_messages_come_in_the_order_they_were_published(bus: Bus) -> None:
    for number in range(10):
        await bus.publish([Message(b"%d" % number), Message(b"%d and a half" % number)])
    assert [delivery.message.body for delivery in await take(bus)] == [
        body for number in range(10) for body in (b"%d" % number, b"%d and a half" % number)
    ]


async def test_two_processes_share_a_bus(bus: Bus, url: str) -> None:
    processes = [await python(PUBLISH, url, letter) for letter in "ab"]
    deliveries = await take(bus, count=200)
    assert {delivery.message.body.decode() for delivery in deliveries} == {
        f"{letter}{number}" for letter in "ab" for number in range(100)
    }
    assert [await process.wait() for process in processes] == [0, 0]


async def test_a_killed_publisher_loses_nothing_that_it_was_told_is_published(url: str, path: Path) -> None:
    process = await python(PUBLISH_FOR_EVER, url)
    assert process.stdout is not None
    told = {int(await process.stdout.readline()) for _ in range(200)}
    process.kill()
    rest, _ = await process.communicate()
    told |= {int(line) for line in rest.split(b"\n")[:-1]}
    bus = await open_bus(url)
    assert {int(delivery.message.body) for delivery in await take(bus)} >= told
    await bus.close()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


async def test_what_a_killed_reader_had_leased_comes_back_when_the_lease_ends(url: str) -> None:
    clock = ManualClock()
    writer = await open_bus(url)
    await writer.publish([Message(b"x")])
    await writer.close()
    process = await python(LEASE_AND_HANG, url)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"1\n"
    process.kill()
    await process.communicate()
    [available_us] = sqlite_row(url, "SELECT available_us FROM messages")
    clock.advance((available_us - clock.now_us()) / 1_000_000 - 1)
    bus = await open_bus(url, clock=clock)
    assert await bus.pull(max_messages=10, max_bytes=1_000, wait_seconds=0) == ()
    clock.advance(2)
    assert (await take_one(bus)).attempt == 2
    await bus.close()


async def test_the_only_reader_may_end_the_leases_of_a_dead_one_at_once(bus: Bus, url: str) -> None:
    await bus.publish([Message(b"a"), Message(b"b"), Message(b"c")])
    holder = await python(LEASE_AND_HANG, url)
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"3\n"
    holder.kill()
    await holder.wait()
    assert isinstance(bus, SqliteBus)
    assert await bus.end_leases() == 3
    assert [delivery.message.body for delivery in await take(bus, count=3)] == [b"a", b"b", b"c"]
    assert await bus.end_leases() == 3
    assert {delivery.attempt for delivery in await take(bus, count=3)} == {3}


async def test_a_full_bus_makes_publishers_wait_for_acks(url: str) -> None:
    bus = await open_bus(url, settings=BusSettings(max_bytes=1_000))
    await bus.publish([Message(b"x" * 900)])
    publishing = [asyncio.create_task(bus.publish([Message(b"y" * 500)])) for _ in range(3)]
    acked = 0
    while acked < 4:
        deliveries = await take(bus, count=1)
        assert (await bus.backlog()).bytes <= 1_000
        await bus.ack([delivery.lease_id for delivery in deliveries])
        acked += len(deliveries)
    await asyncio.gather(*publishing)
    await bus.close()


async def test_a_bus_that_stays_full_refuses_after_the_deadline(url: str) -> None:
    clock = ManualClock()
    settings = BusSettings(max_bytes=1_000, publish_deadline_seconds=300)
    bus = await open_bus(url, clock=clock, settings=settings)
    await bus.publish([Message(b"x" * 900)])
    with pytest.raises(BackpressureError, match="full") as caught:
        await bus.publish([Message(b"y" * 200)])
    assert caught.value.advice
    assert sum(clock.slept) == pytest.approx(300)
    assert max(clock.slept) <= 1
    await bus.bury(Message(b"z" * 900), "dead letters do not count")
    [letter] = await bus.dead_letters(limit=1)
    with pytest.raises(BackpressureError):
        await bus.replay([letter.id])
    assert (await bus.backlog()).messages == 1
    assert (await bus.backlog()).dead_letters == 1
    await bus.ack([(await take_one(bus)).lease_id])
    await bus.publish([Message(b"y" * 200)])
    await bus.close()


async def test_an_empty_bus_takes_a_message_that_is_larger_than_it_is(url: str) -> None:
    bus = await open_bus(url, settings=BusSettings(max_bytes=1_000, publish_deadline_seconds=0))
    await bus.publish([Message(b"x" * 5_000)])
    with pytest.raises(BackpressureError):
        await bus.publish([Message(b"y")])
    await bus.close()


async def test_a_full_disk_is_told_and_once_there_is_room_everything_goes_on(url: str) -> None:
    process = await python(FILL_THE_DISK, url)
    output, _ = await process.communicate()
    assert process.returncode == 0
    told, counts = output.decode().splitlines()
    assert "ulimit -f" in told
    published, waiting = map(int, counts.split())
    assert published == waiting
    bus = await open_bus(url)
    bodies = [delivery.message.body for delivery in await take(bus)]
    assert len(bodies) == published
    assert bodies[-1] == b"last"
    await bus.close()


async def test_a_pull_that_is_cancelled_leaves_its_messages_to_the_next(bus: Bus) -> None:
    await bus.publish([Message(b"%d" % number) for number in range(50)])
    taken = 0
    for turns in range(1, 60):
        pulling = asyncio.create_task(bus.pull(max_messages=1, max_bytes=1_000, wait_seconds=0))
        for _ in range(turns % 12):
            await asyncio.sleep(0)
        pulling.cancel()
        outcome = (await asyncio.gather(pulling, return_exceptions=True))[0]
        if not isinstance(outcome, BaseException):
            taken += len(outcome)
    rest = await take(bus)
    assert taken + len(rest) == 50
    assert {delivery.attempt for delivery in rest} <= {1}


class EndlessSleep(SystemClock):
    """A clock on which whoever sleeps is not woken by time."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.Event().wait()


async def test_within_a_process_nobody_waits_for_a_poll(url: str) -> None:
    bus = await open_bus(url, clock=EndlessSleep(), settings=BusSettings(max_bytes=10))
    pulling = asyncio.create_task(bus.pull(max_messages=1, max_bytes=10, wait_seconds=3_600))
    await bus.backlog()
    await bus.publish([Message(b"x" * 10)])
    [delivery] = await pulling
    publishing = asyncio.create_task(bus.publish([Message(b"y" * 10)]))
    await bus.backlog()
    await bus.ack([delivery.lease_id])
    await publishing
    pulling = asyncio.create_task(bus.pull(max_messages=1, max_bytes=10, wait_seconds=3_600))
    [delivery] = await pulling
    pulling = asyncio.create_task(bus.pull(max_messages=1, max_bytes=10, wait_seconds=3_600))
    await bus.backlog()
    await bus.release([delivery.lease_id])
    assert [delivery.attempt for delivery in await pulling] == [2]
    await bus.close()


async def test_whoever_waits_is_told_when_the_bus_is_closed(url: str) -> None:
    bus = await open_bus(url)
    pulling = asyncio.create_task(bus.pull(max_messages=1, max_bytes=1, wait_seconds=600))
    await bus.backlog()
    await bus.close()
    with pytest.raises(StorageError, match="closed"):
        await pulling
    with pytest.raises(StorageError, match="closed"):
        await bus.publish([Message(b"x")])


async def test_what_was_submitted_before_closing_is_published(url: str) -> None:
    bus = await open_bus(url)
    publishing = [asyncio.create_task(bus.publish([Message(b"x")])) for _ in range(20)]
    await asyncio.sleep(0)
    await bus.close()
    await asyncio.gather(*publishing)
    again = await open_bus(url)
    assert (await again.backlog()).messages == 20
    await again.close()


async def test_a_new_bus_may_be_opened_by_many_at_once(url: str) -> None:
    buses = await asyncio.gather(*(open_bus(url) for _ in range(8)))
    await asyncio.gather(*(bus.publish([Message(b"x")]) for bus in buses))
    assert (await buses[0].backlog()).messages == 8
    await asyncio.gather(*(bus.close() for bus in buses))


async def test_only_the_owner_may_read_the_bus_and_its_new_folder(tmp_path: Path) -> None:
    path = tmp_path / "new" / "bus.db"
    bus = await open_bus(url_of("sqlite", path))
    await bus.publish([Message(b"x")])
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}
    await bus.close()


@pytest.mark.parametrize("content", [b"id,name\n" * 200, b"hello"])
def test_a_file_of_another_kind_is_refused_and_left_alone(url: str, path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(StorageError, match="not an SQLite database") as caught:
        asyncio.run(open_bus(url))
    assert str(path) in caught.value.message
    assert path.read_bytes() == content


def test_a_database_of_something_else_is_refused_and_left_alone(url: str, path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE bookmarks (url TEXT)")
    before = path.read_bytes()
    with pytest.raises(StorageError, match="something else"):
        asyncio.run(open_bus(url))
    assert path.read_bytes() == before


async def test_a_bus_of_a_newer_version_is_refused(url: str, path: Path) -> None:
    await (await open_bus(url)).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(StorageError, match="newer") as caught:
        await open_bus(url)
    assert "Update" in caught.value.advice


async def test_a_folder_in_place_of_the_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be opened"):
        await open_bus(url_of("sqlite", tmp_path))


async def test_a_file_in_place_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="a file is where a folder should be"):
        await open_bus(url_of("sqlite", tmp_path / "file" / "bus.db"))


@pytest.mark.parametrize("url", ["amqp://host/topic", "kafka:x", "bus.db", "", "sqlite://bus.db"])
async def test_a_url_that_names_no_bus_of_ours_is_told(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        await open_bus(url)
    assert "sqlite:" in caught.value.advice


@pytest.mark.parametrize(
    "wrong",
    [{"lease_seconds": 0}, {"lease_seconds": 601}, {"max_bytes": 0}, {"publish_deadline_seconds": -1}],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError):
        BusSettings(**wrong)


@pytest.fixture
async def committer(path: Path) -> AsyncIterator[Committer]:
    committer = Committer(path)
    await committer.open()
    yield committer
    committer.stop()
    await committer.ended()


def hold(committer: Committer) -> threading.Event:
    """Keep the thread busy until the event is set, so that what is submitted meanwhile waits together."""
    gate = threading.Event()
    committer.submit(lambda _: gate.wait(30), Durability.READ)
    return gate


async def test_calls_that_wait_are_committed_together(committer: Committer) -> None:
    statements: list[str] = []
    await committer.submit(lambda db: db.set_trace_callback(statements.append), Durability.READ)
    gate = hold(committer)
    calls = [
        committer.submit(lambda db: db.execute("INSERT INTO contents VALUES (NULL, '', x'')"), durability)
        for durability in (Durability.RELAXED, Durability.DURABLE, Durability.RELAXED)
    ]
    gate.set()
    await asyncio.gather(*calls)
    assert statements == [
        "PRAGMA synchronous = FULL",
        "BEGIN IMMEDIATE",
        *["INSERT INTO contents VALUES (NULL, '', x'')"] * 3,
        "COMMIT",
    ]


async def test_a_call_that_fails_takes_nobody_else_along(committer: Committer) -> None:
    runs: list[str] = []

    def fill(db: sqlite3.Connection) -> None:
        runs.append("fill")
        db.execute("PRAGMA max_page_count = 20")
        db.execute("INSERT INTO contents VALUES (NULL, '', zeroblob(1000000))")

    def insert(db: sqlite3.Connection) -> None:
        runs.append("insert")
        db.execute("INSERT INTO contents VALUES (NULL, '', x'')")

    gate = hold(committer)
    first, filling, second = (committer.submit(step, Durability.DURABLE) for step in (insert, fill, insert))
    gate.set()
    await first
    with pytest.raises(StorageError, match="the disk is full"):
        await filling
    await second
    assert runs == ["insert", "fill", "insert", "fill", "insert"]
    count = await committer.submit(
        lambda db: db.execute("SELECT count(*) FROM contents").fetchone(), Durability.READ
    )
    assert count == (2,)


def test_free_space_goes_back_to_the_disk_bit_by_bit(path: Path) -> None:
    with closing(open_file(path)) as db:
        db.execute("INSERT INTO contents VALUES (1, '', zeroblob(40000000))")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        db.execute("DELETE FROM contents")
        large = path.stat().st_size
        steps = 0
        while tidy(db):
            steps += 1
        assert 1 < steps < 30
        assert large > 40_000_000
        assert path.stat().st_size < 20_000_000


def test_free_space_that_cannot_be_given_back_is_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("CREATE TABLE contents (body BLOB)")
        db.execute("INSERT INTO contents VALUES (zeroblob(40000000))")
        db.execute("DELETE FROM contents")
        assert not tidy(db)


def sqlite_row(url: str, query: str) -> tuple[int, ...]:
    with closing(sqlite3.connect(path_of(url))) as db:
        row: tuple[int, ...] = db.execute(query).fetchone()
        return row


async def test_a_sweep_leaves_no_trace_of_what_it_drops_in_the_file(tmp_path: Path) -> None:
    async def drop_all(_message: Message) -> None:
        return None

    path = tmp_path / "bus.db"
    bus = await open_bus(url_of("sqlite", path))
    secret = b"jane.doe@example.com"
    await bus.publish([Message(secret + b"x" * 5_000, {"k": "v"}) for _ in range(300)])
    await bus.bury(Message(secret), "bad")
    acked = await bus.pull(max_messages=50, max_bytes=1_000_000, wait_seconds=1)
    await bus.ack([delivery.lease_id for delivery in acked])
    await bus.sweep(drop_all)
    left = [file.name for file in tmp_path.iterdir() if secret in file.read_bytes()]  # noqa: ASYNC240
    await bus.close()
    assert left == []
