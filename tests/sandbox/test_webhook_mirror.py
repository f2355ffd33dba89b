"""Webhooks tell all there is to know about the tables they exist for."""

from __future__ import annotations

from typing import Any

import pytest

from services.sandbox.load import WEIGHTS, Load, LoadSettings
from services.sandbox.webhooks.events import EVENTS
from tests.sandbox.hooks import Call, with_to_one
from tests.sandbox.test_webhook_deliveries import sending

TABLES = {
    "task": "tasks",
    "invoice": "invoices",
    "deal": "deals",
    "budget": "deals",
    "project": "projects",
    "time_entry": "time_entries",
    "booking": "bookings",
    "expense": "expenses",
    "person": "people",
    "company": "companies",
    "payment": "payments",
}


def apply(mirror: dict[str, dict[str, Any]], call: Call) -> None:
    """What a reader that believes everything makes of a delivery."""
    document = call.document
    records = mirror[TABLES[document["item_type"]]]
    if document["event"].startswith("delete_"):
        del records[str(document["item_id"])]
    else:
        records[str(document["item_id"])] = document["object"]["data"]


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_mirror_that_follows_complete_deliveries_stays_equal(seed: int) -> None:
    settings = {"complete_share": 1, "delete_with_object": True, "concurrency": 1}
    async with sending(*sorted(EVENTS), **settings) as (sandbox, receiver, _):
        organization = sandbox.organization

        def truth() -> dict[str, dict[str, Any]]:
            return {
                table: {record["id"]: with_to_one(record) for record in organization.resources(table)}
                for table in TABLES.values()
            }

        mirror = truth()
        load = Load(organization, LoadSettings(seed=seed, weights=dict.fromkeys(WEIGHTS, 1.0)))
        load.step(700)
        await sandbox.webhooks.idle()
        for call in receiver.calls:
            apply(mirror, call)
        assert len(receiver.calls) == 700
        assert mirror == truth()


async def test_partial_deliveries_alone_are_not_enough() -> None:
    async with sending(*sorted(EVENTS), concurrency=1) as (sandbox, receiver, _):
        Load(sandbox.organization).step(200)
        await sandbox.webhooks.idle()
        for call in receiver.calls:
            record = call.document.get("object", {}).get("data")
            if record is None:
                assert call.document["event"].startswith(("delete_", "archive_"))
            else:
                ends = sandbox.organization.rows(record["type"]).get(int(record["id"]))
                told = {name for name, end in record["relationships"].items() if "data" in end}
                assert told < (ends.links.keys() if ends else told | {"gone"})
