"""An agency at work: what it does is repeatable, sound, and told in sentences."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from services.sandbox import Change, Sandbox, SandboxSettings
from services.sandbox.load import STEPS, WEIGHTS, Agency, Load, LoadEvent, LoadSettings, Step
from services.sandbox.organization import Organization
from services.sandbox.schema import load_schema
from services.sandbox.storage import Ref
from services.sandbox.webhooks.events import EVENTS, event_of
from services.sandbox.world import build
from services.sandbox.zone import instant
from shared.clock import ManualClock
from tests.sandbox.hooks import receiving, register


def _organization(**settings: Any) -> Organization:
    clock = ManualClock(start_us=instant("2026-11-21T09:00:00+01:00"))
    return build(SandboxSettings(people=8, **settings), clock)


@pytest.fixture
def organization() -> Organization:
    return _organization()


def _changes(organization: Organization) -> list[Change]:
    heard: list[Change] = []
    organization.subscribe(heard.append)
    return heard


def test_the_same_seed_makes_the_same_changes() -> None:
    first, second, other = (_organization() for _ in range(3))
    heard = [_changes(one) for one in (first, second, other)]
    events = [Load(one).step(500) for one in (first, second)]
    assert events[0] == events[1]
    assert heard[0] == heard[1]
    assert len(heard[0]) == 500
    assert Load(other, LoadSettings(seed=2)).step(500) != events[0]


@pytest.mark.parametrize("name", STEPS)
def test_every_step_makes_one_change_and_tells_it(organization: Organization, name: str) -> None:
    load = Load(organization)
    for other in STEPS:  # so that there is something to do it with
        if not other.startswith(("delete_", "send_", "archive_")):
            load.perform(other)
    heard = _changes(organization)
    event = next(event for _ in range(50) if (event := load.perform(name)) is not None)
    assert [(change.kind, change.table, change.id) for change in heard] == [
        (event.kind, event.table, event.id)
    ]
    assert event.step == name
    assert event.text
    assert "None" not in event.text


def test_every_event_that_productive_tells_comes_sooner_or_later(organization: Organization) -> None:
    heard = _changes(organization)
    Load(organization, LoadSettings(weights=dict.fromkeys(WEIGHTS, 1.0))).step(3_000)
    assert {event.id for change in heard if (event := event_of(change))} == EVENTS.keys()


def test_all_weights_are_named_after_steps() -> None:
    assert WEIGHTS.keys() == STEPS.keys()
    assert all(weight > 0 for weight in WEIGHTS.values())


def _dangling(organization: Organization, table: str, identifier: str) -> Iterator[str]:
    resource, row = load_schema()[table], organization.rows(table).row(int(identifier))
    for name, link in row.links.items():
        for ref in (link,) if isinstance(link, Ref) else link or ():
            if organization.resolve(ref) is None or ref.table != (
                resource.relations[name].target or ref.table
            ):
                yield f"{table} {identifier}: {name} leads to {ref}"
    for field in resource.references:
        name = field.removesuffix("_id")
        if name in resource.relations and row.attributes[field] != getattr(row.links[name], "id", None):
            yield f"{table} {identifier}: {field} and {name} differ"


def test_what_it_makes_refers_only_to_what_exists(organization: Organization) -> None:
    heard = _changes(organization)
    schema, fields = load_schema(), {}
    Load(organization, LoadSettings(weights=dict.fromkeys(WEIGHTS, 1.0))).step(2_000)
    for change in heard:
        if change.id in organization.ids(change.table):
            assert list(_dangling(organization, change.table, change.id)) == []
            fields[change.table] = organization.resource(change.table, change.id)
    for table, resource in fields.items():
        assert resource["attributes"].keys() == schema[table].attributes.keys()
        assert resource["relationships"].keys() == schema[table].relations.keys()


def test_deleting_leaves_no_other_record_changed(organization: Organization) -> None:
    deleting = {name: 1.0 for name in WEIGHTS if name.startswith("delete_")}
    tables = ("tasks", "time_entries", "bookings", "deals", "projects", "invoices", "expenses", "comments")
    before = {table: {one["id"]: one for one in organization.resources(table)} for table in tables}
    deleted = {
        (event.table, event.id) for event in Load(organization, LoadSettings(weights=deleting)).step(200)
    }
    assert len(deleted) == 200
    for table, records in before.items():
        left = {one["id"]: one for one in organization.resources(table)}
        gone = {identifier for kind, identifier in deleted if kind == table}
        assert left == {identifier: one for identifier, one in records.items() if identifier not in gone}


def test_where_there_is_nothing_nothing_can_be_done(organization: Organization) -> None:
    for table in organization.tables:
        rows = organization.rows(table)
        for identifier in list(rows.ids):
            rows.remove(identifier)
    load = Load(organization)
    assert [load.perform(name) for name in STEPS] == [None] * len(STEPS)
    assert load.step(5) == []
    assert load.made == 0


def test_a_full_table_grows_no_more(organization: Organization) -> None:
    load = Load(organization, LoadSettings(growth=3, weights={"log_time": 1.0}))
    assert len(load.step(10)) == 3
    assert load.perform("log_time") is None
    assert load.perform("edit_time") is not None


def test_it_works_on_records_that_exist_only_as_a_rule() -> None:
    organization = _organization(bulk={"time_entries": 5_000})
    bulk = organization.rows("time_entries").bulk
    assert bulk is not None
    heard = _changes(organization)
    Load(organization, LoadSettings(weights={"edit_time": 1.0, "delete_time": 1.0})).step(100)
    assert {change.kind for change in heard} == {"update", "delete"}
    assert any(int(change.id) in bulk for change in heard)


def test_a_sentence_names_who_did_what(organization: Organization) -> None:
    event = Load(organization).perform("log_time")
    assert event is not None
    entry = organization.resource("time_entries", event.id)
    person = organization.resource("people", entry["relationships"]["person"]["data"]["id"])
    assert event.text.startswith(
        f"{person['attributes']['first_name']} {person['attributes']['last_name']} logged "
    )
    assert event.text.endswith("'")


@pytest.mark.parametrize("weights", [{"sleep": 1.0}, {}, {"log_time": 0.0}])
def test_impossible_weights_are_refused(weights: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="step"):
        LoadSettings(weights=weights)


async def test_a_script_is_followed_and_ends(organization: Organization) -> None:
    def rename_ourselves(agency: Agency) -> LoadEvent | None:
        company = agency.pick("companies")
        assert company is not None
        agency.change("companies", company, {"name": "Ours"})
        return LoadEvent("update", "companies", str(company.id), "We have a new name")

    told: list[LoadEvent] = []
    load = Load(organization, clock=ManualClock())
    script: list[Step] = ["log_time", "close_task", rename_ourselves, "log_time"]
    await load.run(10, script=script, tell=told.append)
    assert [event.step for event in told] == ["log_time", "close_task", "rename_ourselves", "log_time"]
    assert told[2].text == "We have a new name"
    assert list(load.events) == told


async def test_it_keeps_its_rate_until_it_is_stopped(organization: Organization) -> None:
    clock = ManualClock()
    load = Load(organization, clock=clock)

    def tell(_event: LoadEvent) -> None:
        if load.made == 300:
            load.stop()

    await load.run(50, tell=tell)
    assert load.made == 300
    assert clock.monotonic() == pytest.approx(6, abs=0.1)


async def test_what_is_more_than_a_second_late_is_left_out(organization: Organization) -> None:
    clock = ManualClock()
    load = Load(organization, clock=clock)

    def tell(_event: LoadEvent) -> None:
        if load.made == 1:
            clock.advance(1_000)
        if load.made == 20:
            load.stop()

    await load.run(10, tell=tell)
    assert clock.monotonic() < 1_010


async def test_a_load_needs_a_rate(organization: Organization) -> None:
    with pytest.raises(ValueError, match="rate"):
        await Load(organization).run(0)


@pytest.fixture
async def told() -> AsyncIterator[list[tuple[str, int]]]:
    clock = ManualClock(start_us=instant("2026-11-21T09:00:00+01:00"))
    async with receiving() as receiver, Sandbox(SandboxSettings(people=5), clock=clock) as sandbox:
        await register(sandbox, receiver.url, sorted(EVENTS))
        Load(sandbox.organization, clock=clock).step(200)
        await asyncio.wait_for(sandbox.webhooks.idle(), 20)
        yield receiver.told


async def test_all_that_happens_is_told_to_who_registered(told: list[tuple[str, int]]) -> None:
    assert len(told) == 200
