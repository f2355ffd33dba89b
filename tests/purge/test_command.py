"""`purge` shows what it would do, does it everywhere, and refuses while others are at work."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from services.cli.pipeline import write_while
from services.cli.purging import alone
from services.cli.world import World
from services.ingest.delivery import Delivery
from services.ingest.receiver.spool import Spool
from services.purge.keepout import KEY_SECRET
from services.sandbox import SandboxSettings
from services.writer.environment import WriterTotals
from shared.bus import Message
from shared.errors import BusyError, ConfigError
from shared.objects.lease import hold_lease
from shared.record import Record, RecordBatch, Source, Version
from shared.secrets import open_secrets
from tests.backfill.agency import agency
from tests.purge.agency import Office, crawled, files_with, office

__all__ = ["crawled", "office"]

TASK_CHANGED = 3
NOW_US = time.time_ns() // 1_000


def batch(table: str, *records: tuple[str, dict[str, Any]], organization: str = "1") -> RecordBatch:
    rows = [Record(id_, "upsert", Version(NOW_US, NOW_US), {"id": id_, **data}) for id_, data in records]
    return RecordBatch(table, organization, Source.BACKFILL, "run", rows)


def delivery(item_id: str, resource: str = "null") -> Delivery:
    body = '{"event":"task.updated","item_type":"task","item_id":"%s","object":{"data":%s}}'
    return Delivery(TASK_CHANGED, NOW_US, (body % (item_id, resource)).encode())


def a_person(office: Office) -> tuple[str, str]:
    """Somebody with an account, a salary and time entries."""
    [row, *_] = office.rows(
        "select id, email from people where email is not null and user_id is not null"
        " and id in (select person_id from time_entries) and id in (select person_id from salaries)"
        " order by id"
    )
    return row[0], row[1]


def test_a_person_is_shown_first_and_nothing_happens(office: Office) -> None:
    person, email = a_person(office)
    before = {table: office.count(table) for table in ("people", "salaries", "time_entries")}
    result = office.json("person", email)
    assert not result["purged"]
    assert result["identities"]["people"] == [person]
    fates = {(step["table"], step["column"]): step for step in result["steps"]}
    assert fates["people", "id"]["rows"] == 1
    assert fates["salaries", "person_id"]["fate"] == "deleted"
    assert fates["time_entries", "person_id"]["fate"] == "left"
    assert fates["time_entries", "person_id"]["rows"] == office.count(
        "time_entries", f"person_id = '{person}'"
    )
    assert {table: office.count(table) for table in before} == before


def test_a_purged_person_is_gone_and_the_work_stays(office: Office) -> None:
    person, email = a_person(office)
    [(user,)] = office.rows(f"select user_id from people where id = '{person}'")
    entries, hours = office.count("time_entries"), office.count("time_entries", f"person_id = '{person}'")
    others = office.count("people") - 1
    result = office.json("person", email, "--yes")
    assert result["purged"]
    assert office.count("people", f"id = '{person}' or email = '{email}'") == 0
    assert office.count("people") == others
    assert office.count("users", f"id = '{user}' or email = '{email}'") == 0
    for table, column, whose in (
        ("salaries", "person_id", person),
        ("organization_memberships", "person_id", person),
        ("memberships", "person_id", person),
        ("timers", "person_id", person),
        ("sessions", "user_id", user),
        ("contact_entries", "person_id", person),
    ):
        assert office.count(table, f"{column} = '{whose}'") == 0, table
    assert (office.count("time_entries"), office.count("time_entries", f"person_id = '{person}'")) == (
        entries,
        hours,
    )
    assert office.rows(f"select * from people where id = '{person}'", snapshot=True) == []
    assert files_with(office.folder, email.encode()) == []


def test_what_only_the_history_still_knows_of_a_person_goes_too(office: Office) -> None:
    person, _ = a_person(office)
    others = office.rows(f"select distinct id from salaries_history where person_id <> '{person}'")
    [(salary,), *_] = office.rows(f"select id from salaries where person_id = '{person}'")

    async def delete(world: World) -> None:
        later = Version(NOW_US + 3_600_000_000, NOW_US + 3_600_000_000)
        gone = RecordBatch("salaries", "1", Source.DELETION, "run", [Record(salary, "delete", later)])

        async def work() -> None:
            await world.bus.publish(await world.codec.encode(gone))

        await write_while(world, WriterTotals(), work)

    office.in_world(delete)
    assert office.count("salaries", f"id = '{salary}'") == 0
    assert office.count("salaries_history", f"id = '{salary}'") > 0
    office.json("person", person, "--yes")
    assert office.rows("select distinct id from salaries_history order by id") == sorted(others)
    assert office.count("people_history", f"id = '{person}'") == 0


def test_rows_that_name_the_person_go_where_that_is_asked_for(office: Office) -> None:
    person, _ = a_person(office)
    others = office.count("time_entries", f"not list_contains([person_id, creator_id], '{person}')")
    office.json("person", person, "--also", "time_entries", "--yes")
    assert office.count("time_entries", f"person_id = '{person}' or creator_id = '{person}'") == 0
    assert 0 < office.count("time_entries") <= others


def test_a_record_goes_from_wherever_it_waits_and_the_others_stay(office: Office) -> None:
    secret = "of Jane Doe, born 1980"

    async def fill(world: World) -> None:
        both = batch("tasks", ("17", {"title": secret}), ("18", {"title": "kept"}))
        await world.bus.publish(await world.codec.encode(both))
        await world.bus.pull(max_messages=1, max_bytes=1, wait_seconds=1)  # leased by one who was killed
        [alone] = await world.codec.encode(batch("tasks", ("17", {"title": secret})))
        await world.bus.publish([alone])
        await world.bus.bury(alone, "bad")
        large = world.codec.__class__(world.objects, lambda: "claims/one", limit=10)
        await world.bus.publish(await large.encode(batch("tasks", ("17", {"title": secret}))))
        lone = world.codec.__class__(world.objects, lambda: "claims/two", limit=10)
        await lone.encode(batch("tasks", ("17", {"title": secret})))
        resource = f'{{"type":"tasks","id":"17","attributes":{{"title":"{secret}"}}}}'
        await world.intake.publish([delivery("17", resource).message(), delivery("18").message()])
        await world.intake.bury(delivery("17", resource).message(), "bad")
        spool = Spool(world.objects, world.clock, max_bytes=1_000_000)
        kept = [delivery("17", resource), delivery("18")]
        assert all(spool.reserve(one) for one in kept)
        await spool.write(kept)

    async def left(world: World) -> tuple[list[str], list[bytes], list[bytes], int]:
        await world.bus.end_leases()  # type: ignore[attr-defined]
        records = [
            record.id
            for one in await world.bus.pull(max_messages=100, max_bytes=1 << 20, wait_seconds=0.1)
            for record in (await world.codec.decode(one.message)).batch.records
        ]
        deliveries = [
            one.message.body
            for one in await world.intake.pull(max_messages=100, max_bytes=1 << 20, wait_seconds=0.1)
        ]
        spool = Spool(world.objects, world.clock, max_bytes=1_000_000)
        spooled = [one.body for name in await spool.names() for one in await spool.read(name) or ()]
        letters = (await world.bus.backlog()).dead_letters + (await world.intake.backlog()).dead_letters
        return records, deliveries, spooled, letters

    office.in_world(fill)
    shown = office.json("record", "tasks", "17")["elsewhere"]
    done = office.json("record", "tasks", "17", "--yes")["elsewhere"]
    assert shown == done
    assert {name: found["records"] for name, found in done.items()} == {
        "the spool of deliveries": 1,
        "the deliveries of webhooks": 2,
        "the bus of records": 5,
        "the crawls' state": 0,
    }
    assert office.in_world(left) == (["18"], [delivery("18").body], [delivery("18").body], 0)
    assert files_with(office.folder, secret.encode()) == []


def test_what_is_about_a_person_goes_before_it_is_written_and_the_unreadable_by_its_address(
    office: Office,
) -> None:
    person, email = a_person(office)
    nonsense = Delivery(TASK_CHANGED, NOW_US, f'{{"of": "{email.upper()}"}}'.encode())
    riddle = Delivery(TASK_CHANGED, NOW_US, b'{"of": "somebody"}')

    async def fill(world: World) -> None:
        for one in (
            batch("salaries", ("777", {"person_id": person}), ("778", {"person_id": "1"})),
            batch("time_entries", ("779", {"person_id": person})),
        ):
            await world.bus.publish(await world.codec.encode(one))
        resource = Message(f'{{"attributes":{{"email":"{email}"}}}}'.encode(), {"encoding": "resource"})
        await world.bus.bury(resource, "it has no id")
        await world.bus.bury(Message(b'{"attributes":{}}', {"encoding": "resource"}), "it has no id")
        for senseless in (nonsense, riddle):
            await world.intake.bury(senseless.message(), "senseless")

    async def left(world: World) -> tuple[list[str], list[bytes]]:
        records = [
            record.id
            for one in await world.bus.pull(max_messages=100, max_bytes=1 << 20, wait_seconds=0.1)
            for record in (await world.codec.decode(one.message)).batch.records
        ]
        letters = [
            letter.message.body
            for bus in (world.bus, world.intake)
            for letter in await bus.dead_letters(limit=10)
        ]
        return records, letters

    office.in_world(fill)
    found = office.json("person", person, "--yes")["elsewhere"]
    assert found["the bus of records"] == {"records": 2, "unreadable": 1}
    assert found["the deliveries of webhooks"] == {"records": 1, "unreadable": 1}
    assert office.in_world(left) == (["778", "779"], [b'{"attributes":{}}', riddle.body])


def test_a_table_goes_with_what_crawls_remember_of_it(office: Office) -> None:
    async def names(world: World) -> list[str]:
        return [name for name in await world.objects.list("organizations/") if "salaries" in name]

    assert office.in_world(names)
    office.json("table", "salaries", "--yes")
    assert office.rows("select * from information_schema.tables where table_name = 'salaries'") == []
    assert office.in_world(names) == []
    assert office.count("people")


def test_everything_goes(office: Office) -> None:
    async def fill(world: World) -> None:
        await world.bus.publish(await world.codec.encode(batch("tasks", ("17", {}))))
        await world.intake.bury(delivery("17").message(), "bad")
        await world.objects.write("spool-unreadable/x", b"?")

    async def left(world: World) -> tuple[int, int, list[str]]:
        buses = [await bus.backlog() for bus in (world.bus, world.intake)]
        objects = [name for name in await world.objects.list() if not name.endswith(".lease")]
        return sum(b.messages for b in buses), sum(b.dead_letters for b in buses), objects

    office.in_world(fill)
    office.json("everything", "--yes")
    assert office.rows("from information_schema.tables where table_name in ('people', 'tasks')") == []
    assert office.in_world(left) == (0, 0, [])


def test_what_is_kept_out_is_counted_and_may_be_forgotten(office: Office) -> None:
    person, _ = a_person(office)
    result = office.json("person", person, "--keep-out", "--yes")
    assert result["kept_out"] >= 3
    counts = office.json("list")["kept_out"]
    assert counts["people"] == 1
    assert counts["salaries"] >= 1
    assert office.json("forget", "people", person) == {"forgotten": 1}
    assert "people" not in office.json("list")["kept_out"]
    assert office.json("forget", "--all")["forgotten"] == sum(counts.values()) - 1

    async def key(world: World) -> bool:
        secrets = await open_secrets(world.settings.secrets_url)
        try:
            return await secrets.get(KEY_SECRET) is not None
        finally:
            await secrets.close()

    assert office.in_world(key)


def test_what_is_kept_out_is_not_written_again_until_it_is_forgotten(office: Office) -> None:
    person, _ = a_person(office)

    async def publish(world: World) -> None:
        again = batch("people", (person, {"first_name": "Back"}), ("99999999", {"first_name": "Other"}))

        async def work() -> None:
            await world.bus.publish(await world.codec.encode(again))

        await write_while(world, WriterTotals(), work)

    office.json("person", person, "--keep-out", "--yes")
    office.in_world(publish)
    assert office.count("people", f"id = '{person}'") == 0
    assert office.count("people", "first_name = 'Other'") == 1
    office.json("forget", "people", person)
    office.in_world(publish)
    assert office.count("people", f"id = '{person}'") == 1


@pytest.mark.parametrize("lease", ["writer.lease", "reading.lease", "organizations/{}/crawl.lease"])
def test_while_another_process_is_at_work_nothing_is_purged(office: Office, lease: str) -> None:
    person, _ = a_person(office)

    async def attempt(world: World) -> None:
        async with alone(world):
            raise AssertionError("somebody else is at work")

    async def busy(world: World) -> None:
        name = lease.format(office.organization_id)
        async with hold_lease(world.objects, name, world.clock, what="something"):
            with pytest.raises(BusyError, match="nothing has been purged"):
                await asyncio.to_thread(office.in_world, attempt)

    office.in_world(busy)
    assert office.count("people", f"id = '{person}'") == 1


def test_nobody_with_that_address_is_an_error_that_says_what_to_do(office: Office) -> None:
    with pytest.raises(ConfigError, match="nobody in the warehouse"):
        office.json("person", "nobody@nowhere.example")
    with pytest.raises(ConfigError, match="there is no table"):
        office.json("record", "task", "1")


def test_somebody_who_is_already_gone_may_be_purged_by_id(office: Office) -> None:
    assert office.json("person", "99999999", "--yes")["rows"] == 0


def test_the_command_reads_well_without_json(office: Office) -> None:
    person, email = a_person(office)
    shown = office.run("person", person)
    assert "Nothing was purged" in shown.output
    assert "salaries" in shown.output
    done = office.run("person", email, "--yes", "--keep-out")
    assert "are kept out from now on" in done.output


def test_a_person_is_found_by_an_address_that_is_kept_as_a_pseudonym(tmp_path: Path) -> None:
    async def crawl() -> tuple[str, str, str]:
        with pytest.MonkeyPatch.context() as patch:
            chosen: dict[str, Any] = {"tables__only": ["people"], "columns__hash": ["people.email"]}
            async with agency(tmp_path, patch, SandboxSettings(people=3), **chosen) as opened:
                await opened.crawl()
                organization = opened.sandbox.organization
                someone = next(one for one in organization.resources("people") if one["attributes"]["email"])
                return opened.sandbox.organization_id, someone["id"], someone["attributes"]["email"]

    organization_id, person, email = asyncio.run(crawl())
    (tmp_path / "productive-ingest.toml").write_text('[columns]\nhash = ["people.email"]\n')
    office = Office(tmp_path, organization_id)
    assert office.count("people", f"email = '{email}'") == 0
    config = ["--config", str(tmp_path / "productive-ingest.toml")]
    result = office.json("person", email, "--yes", *config)
    assert result["identities"]["people"] == [person]
    assert office.count("people", f"id = '{person}'") == 0
