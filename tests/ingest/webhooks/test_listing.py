"""The list of webhooks: ours with what is known here, others only counted."""

from __future__ import annotations

from typing import Any

from services.ingest.tokens import TOKENS_SECRET
from services.ingest.webhooks.listing import list_webhooks
from services.ingest.webhooks.register import register
from services.ingest.webhooks.remote import State
from shared.record.values import parse_timestamp
from tests.ingest.webhooks.conftest import Office


async def test_ours_are_told_by_event_and_others_counted(office: Office) -> None:
    office.productive.add(24, "https://hooks.zapier.com/hooks/1/", type_id=2)
    await register(office.env, office.address, office.events)
    listing = await list_webhooks(office.env)
    assert listing.others == 1
    assert sorted(one.event for one in listing.ours) == sorted(event.name for event in office.events)
    assert {one.held for one in listing.ours} == {True}
    assert {one.webhook.state for one in listing.ours} == {State.WAITING}


async def test_each_state_of_productive_has_its_words(office: Office) -> None:
    states: dict[int, dict[str, Any]] = {
        1: {"state_id": 1},
        2: {"state_id": 2},
        3: {"state_id": "3"},
        4: {"state_id": 9},
        5: {"state_id": 2, "deactivated_at": "2026-11-19T10:00:00.000+01:00"},
        7: {"state_id": 1, "active": False},
    }
    for event_id, attributes in states.items():
        office.productive.add(event_id, office.address.target(event_id), **attributes)
    listing = await list_webhooks(office.env)
    assert {one.webhook.event_id: one.webhook.state for one in listing.ours} == {
        1: State.WORKING,
        2: State.FAILING,
        3: State.WAITING,
        4: State.UNKNOWN,
        5: State.OFF,
        7: State.OFF,
    }
    assert {one.held for one in listing.ours} == {False}


async def test_the_last_failure_comes_from_the_log(office: Office) -> None:
    await register(office.env, office.address, office.events[:2])
    first, second = office.events[:2]
    now = "2023-11-14T22:00:0{}.000Z"  # the test's clock stands shortly after

    def log(number: int, event_id: int, status: int | None) -> dict[str, Any]:
        attributes = {
            "target_url": office.address.target(event_id),
            "status_code": status,
            "created_at": now.format(number),
        }
        return {"id": str(number), "type": "webhook_logs", "attributes": attributes}

    office.productive.lists["webhook_logs"] = [
        log(3, first.id, None),
        log(1, first.id, 500),
        log(4, first.id, 200),
        log(5, second.id, 200),
    ]
    office.env.client.server_clock = type(office.env.client.server_clock)(office.clock)
    failures = {one.webhook.event_id: one.last_failure for one in (await list_webhooks(office.env)).ours}
    last = failures[first.id]
    assert last is not None
    assert (last.status, last.sent_us) == (None, parse_timestamp(now.format(3)))
    assert failures[second.id] is None


async def test_a_token_that_is_missing_is_told(office: Office) -> None:
    await register(office.env, office.address, office.events[:2])
    await office.secrets.delete(TOKENS_SECRET)
    assert {one.held for one in (await list_webhooks(office.env)).ours} == {False}
