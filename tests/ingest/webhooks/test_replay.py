"""Replaying: what webhooks missed is healed, whatever the log, the filters and the recycle bin have."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from services.ingest.delivery import Delivery
from services.ingest.webhooks import failed
from services.ingest.webhooks.environment import ReplayEnvironment
from services.ingest.webhooks.failed import replay_failed
from services.ingest.webhooks.replay import Replayed, replay
from services.sandbox import Sandbox, SandboxSettings
from services.sandbox.webhooks.settings import WebhookSettings
from shared.bus import Bus, open_bus
from shared.catalog import load_catalog
from shared.catalog.selection import SelectionRules, select
from shared.clock import MICROSECONDS, SystemClock
from shared.objects import open_objects
from shared.productive import Connection, Limiter, LimitPolicy, ProductiveClient
from shared.record import Record, RecordBatch
from shared.record.codec import BatchCodec
from shared.record.values import parse_timestamp
from shared.secrets import Secret
from shared.urls import url_of
from tests.ingest.webhooks.conftest import HASTY
from tests.ingest.webhooks.productive import ORGANIZATION, TOKEN, Productive

BASE = "https://hooks.example.com"
WHEN = "2026-11-20T10:00:00.000+01:00"
FED = ("bookings", "companies", "deals", "expenses", "invoices", "payments", "people", "projects", "tasks")


@dataclass
class Desk:
    """Someone who replays, and both buses to look at."""

    env: ReplayEnvironment

    async def deliveries(self) -> list[Delivery]:
        return [Delivery.of(delivery.message) for delivery in await _all(self.env.intake)]

    async def batches(self) -> list[RecordBatch]:
        return [
            (await self.env.codec.decode(delivery.message)).batch for delivery in await _all(self.env.bus)
        ]

    async def newest(self) -> dict[tuple[str, str], Record]:
        """The record that wins, by table and id."""
        found: dict[tuple[str, str], Record] = {}
        for batch in await self.batches():
            for record in batch.records:
                before = found.get((batch.table, record.id))
                if before is None or before.version < record.version:
                    found[batch.table, record.id] = record
        return found


async def _all(bus: Bus) -> list[Any]:
    found: list[Any] = []
    while pulled := await bus.pull(max_messages=1_000, max_bytes=1 << 30, wait_seconds=0):
        found += pulled
    return found


async def desk_at(url: str, organization: str, token: str, folder: Path) -> AsyncIterator[Desk]:
    clock = SystemClock()
    catalog = load_catalog()
    objects = await open_objects(url_of("file", folder / "objects"))
    intake = await open_bus(url_of("sqlite", folder / "intake.sqlite"), clock=clock)
    bus = await open_bus(url_of("sqlite", folder / "bus.sqlite"), clock=clock)
    limiter = Limiter(LimitPolicy().scaled(1 / 10_000), clock)
    connection = Connection(url, organization, Secret(token))
    async with ProductiveClient(connection, limiter=limiter, retry=HASTY) as client:
        yield Desk(
            ReplayEnvironment(
                client=client,
                intake=intake,
                bus=bus,
                codec=BatchCodec(objects, lambda: "claims/1"),
                catalog=catalog,
                tables=select(catalog, SelectionRules()),
                organization_id=organization,
                clock=clock,
            )
        )
    for store in (intake, bus, objects):
        await store.close()


@pytest.fixture
async def desk(productive: Productive, tmp_path: Path) -> AsyncIterator[Desk]:
    async for desk in desk_at(productive.url, ORGANIZATION, TOKEN, tmp_path):
        yield desk


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    hasty = WebhookSettings(retry_seconds=(0.0, 0.0), deactivate_after=1_000)
    async with Sandbox(SandboxSettings(people=5, webhooks=hasty)) as sandbox:
        yield sandbox


@pytest.fixture
async def agency(sandbox: Sandbox, tmp_path: Path) -> AsyncIterator[Desk]:
    async for desk in desk_at(sandbox.url, sandbox.organization_id, sandbox.token, tmp_path):
        yield desk


def log(number: int, *, job: str | None = None, **attributes: Any) -> dict[str, Any]:
    """An entry of the log, of a try that failed unless it says otherwise."""
    values = {
        "payload": json.dumps({"event": "update_task", "item_id": number}),
        "status_code": 500,
        "target_url": f"{BASE}/webhooks/productive/24",
        "retry_attempt": 0,
        "retry_job_id": job or f"job-{number}",
        "created_at": WHEN,
        **attributes,
    }
    return {"id": str(number), "type": "webhook_logs", "attributes": values, "relationships": {}}


async def test_a_delivery_that_never_arrived_comes_onto_the_intake_bus_as_it_was(
    productive: Productive, desk: Desk
) -> None:
    productive.lists["webhook_logs"] = [log(1)]
    found = await replay_failed(desk.env, 0)
    assert (found.published, found.delivered, found.unreadable, found.problem) == (1, 0, 0, "")
    sent_us = parse_timestamp(WHEN)
    assert isinstance(sent_us, int)
    assert await desk.deliveries() == [Delivery(24, sent_us, log(1)["attributes"]["payload"].encode())]


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 2, 0]])
async def test_all_tries_of_one_delivery_are_one_and_none_when_one_of_them_succeeded(
    productive: Productive, desk: Desk, order: list[int]
) -> None:
    tries = [
        log(1, job="a", created_at="2026-11-20T09:00:00.000Z"),
        log(2, job="a", retry_attempt=1, created_at="2026-11-20T10:00:00.000Z"),
        log(3, job="a", retry_attempt=2, created_at="2026-11-20T11:00:00.000Z"),
    ]
    productive.lists["webhook_logs"] = [tries[index] for index in order]
    await replay_failed(desk.env, 0)
    [delivery] = await desk.deliveries()
    assert delivery.received_us == parse_timestamp("2026-11-20T09:00:00.000Z")

    tries[1]["attributes"]["status_code"] = 200
    found = await replay_failed(desk.env, 0)
    assert (found.published, found.delivered) == (0, 1)
    assert await desk.deliveries() == []


@pytest.mark.parametrize(
    "said",
    [
        {"status_code": 204},
        {"status_code": None, "response_code": 200},
        {"status_code": None, "success": True},
    ],
)
async def test_success_is_understood_from_each_field_that_may_tell_it(
    productive: Productive, desk: Desk, said: dict[str, Any]
) -> None:
    productive.lists["webhook_logs"] = [log(1, **said)]
    assert (await replay_failed(desk.env, 0)).published == 0


async def test_entries_of_others_older_ones_and_those_without_a_payload_are_left_out(
    productive: Productive, desk: Desk
) -> None:
    productive.lists["webhook_logs"] = [
        log(1, target_url="https://hooks.zapier.com/hooks/1/"),
        log(2, target_url=None),
        log(3, created_at="2020-01-01T00:00:00.000Z"),
        log(4, payload=None),
        log(5, payload=""),
        log(6, payload={"item_id": 6}),
        log(7, retry_job_id=None),
        log(8, created_at="soon"),
        {"id": "9", "type": "webhook_logs"},
        {"type": "webhook_logs"},
    ]
    since = parse_timestamp("2026-11-01T00:00:00Z")
    assert isinstance(since, int)
    found = await replay_failed(desk.env, since)
    assert (found.published, found.unreadable) == (3, 2)
    assert {json.loads(delivery.body)["item_id"] for delivery in await desk.deliveries()} == {6, 7, 8}


async def test_a_log_too_large_to_be_held_back_is_published_bit_by_bit_and_nothing_twice(
    productive: Productive, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failed, "_HELD_BYTES", 100)
    productive.page_size = 7
    productive.lists["webhook_logs"] = [
        log(number, job=f"job-{number % 20}", payload=json.dumps({"item_id": number % 20}))
        for number in range(1, 61)
    ]
    assert (await replay_failed(desk.env, 0)).published == 20
    assert sorted(json.loads(delivery.body)["item_id"] for delivery in await desk.deliveries()) == [
        *range(20)
    ]


async def test_without_a_number_of_the_job_the_same_payload_is_the_same_delivery(
    productive: Productive, desk: Desk
) -> None:
    same = {"retry_job_id": None, "payload": '{"item_id": 1}'}
    productive.lists["webhook_logs"] = [log(1, **same), log(2, **same), log(3, retry_job_id=None)]
    assert (await replay_failed(desk.env, 0)).published == 2


async def test_a_log_that_is_not_to_be_had_is_told_and_the_rest_goes_on(desk: Desk) -> None:
    outcome = await replay(desk.env, 0)
    assert outcome.failed.problem
    assert all(table.problem for table in outcome.tables)
    assert outcome.deletions is not None
    assert outcome.deletions.problem
    assert not outcome.complete


async def test_deletions_are_taken_from_the_recycle_bin_whatever_it_calls_the_items(
    productive: Productive, desk: Desk
) -> None:
    def item(number: int, **attributes: Any) -> dict[str, Any]:
        values = {"item_id": number, "created_at": WHEN, "recovered_at": None, **attributes}
        return {"id": str(number), "type": "deleted_items", "attributes": values}

    productive.lists["deleted_items"] = [
        item(1, item_type="task"),
        item(2, item_type="Budget"),
        item(3, item_type="time_entry"),
        item(4, item_type="TimeEntry"),
        item(5, item_type="services"),
        item(6, item_type="doc"),
        item(7, item_type="task", recovered_at=WHEN),
        item(8, item_type="task", created_at="2020-01-01T00:00:00.000Z"),
        item(9, item_type=None),
        item(10, item_type="task", item_id=None),
        item(11, item_type="task", item_id="12x"),
        {"id": "12"},
    ]
    since = parse_timestamp("2026-11-01T00:00:00Z")
    assert isinstance(since, int)
    outcome = await replay(desk.env, since)
    assert outcome.deletions is not None
    assert outcome.deletions.records == 6
    newest = await desk.newest()
    assert set(newest) == {
        ("tasks", "1"),
        ("deals", "2"),
        ("time_entries", "3"),
        ("time_entries", "4"),
        ("services", "5"),
        ("tasks", "12x"),
    }
    deleted_us = parse_timestamp(WHEN)
    assert {record.op for record in newest.values()} == {"delete"}
    assert {record.version.changed_us for record in newest.values()} == {deleted_us}


async def test_what_changed_in_an_outage_is_read_again_and_what_did_not_is_not(
    sandbox: Sandbox, agency: Desk
) -> None:
    organization = sandbox.organization
    since_us = agency.env.clock.now_us()
    changed = {name: organization.ids(name)[0] for name in (*FED, "time_entries") if organization.ids(name)}
    for name, id_ in changed.items():
        organization.put(name, id_, attributes={})
    gone = organization.ids("tasks")[1]
    organization.remove("tasks", gone)

    outcome = await replay(agency.env, since_us)
    assert outcome.complete
    newest = await agency.newest()
    for name, id_ in changed.items():
        assert newest[name, id_].op == "upsert", name
    assert newest["tasks", gone].op == "delete"
    narrowed = {table.table for table in outcome.tables if not table.whole}
    assert {"tasks", "time_entries", "bookings", "expenses", "deals", "invoices"} <= narrowed
    for table in outcome.tables:
        if table.table in narrowed:
            assert table.records < len(organization.ids(table.table)) or table.records <= 1, table.table
    assert {batch.run_id for batch in await agency.batches()} <= {outcome.run_id}
    assert outcome.run_id.startswith("replay-")


async def test_a_table_whose_filter_is_refused_is_read_whole(sandbox: Sandbox, agency: Desk) -> None:
    whole = {table.table: table for table in (await replay(agency.env, 0)).tables}
    assert whole["projects"].whole
    assert whole["payments"].whole
    assert whole["projects"].records == len(sandbox.organization.ids("projects"))


async def test_what_the_receiver_refused_to_the_end_is_replayed_from_the_log(
    sandbox: Sandbox, agency: Desk
) -> None:
    answers = {"status": 503}

    async def refuse(request: web.BaseRequest) -> web.Response:
        await request.read()
        return web.Response(status=answers["status"])

    runner = web.ServerRunner(web.Server(refuse), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        target = f"http://127.0.0.1:{runner.addresses[0][1]}/webhooks/productive/24"
        attributes = {"event_id": 24, "target_url": target, "type_id": 1, "name": "x"}
        document = {"data": {"type": "webhooks", "attributes": attributes}}
        await agency.env.client.post("webhooks", document)
        since_us = agency.env.clock.now_us() - MICROSECONDS
        lost, arrived = sandbox.organization.ids("tasks")[:2]
        sandbox.organization.put("tasks", lost, attributes={"title": "Lost"})
        await sandbox.webhooks.idle()
        answers["status"] = 200
        sandbox.organization.put("tasks", arrived, attributes={"title": "Arrived"})
        await sandbox.webhooks.idle()
    finally:
        await runner.cleanup()
    outcome: Replayed = await replay(agency.env, since_us, failed_only=True)
    assert (outcome.failed.published, outcome.failed.delivered) == (1, 1)
    assert outcome.tables == ()
    [delivery] = await agency.deliveries()
    assert delivery.event_id == 24
    assert str(json.loads(delivery.body)["item_id"]) == lost
