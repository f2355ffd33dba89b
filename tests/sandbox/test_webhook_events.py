"""What is told of which change: all of the 33 events, and nothing else."""

from __future__ import annotations

import pytest

from services.sandbox import Sandbox
from services.sandbox.webhooks.events import EVENTS
from tests.sandbox.hooks import receiving, register

# As documented: new, updated, deleted or archived.
DOCUMENTED = {
    "task": (1, 24, 25),
    "invoice": (2, 14, 15),
    "deal": (3, 12, 13),
    "budget": (4, 16, 20),
    "project": (5, 10, 11),
    "time_entry": (7, 8, 9),
    "booking": (17, 18, 19),
    "expense": (21, 22, 23),
    "person": (26, 27, 28),
    "company": (29, 30, 31),
    "payment": (32, 33, 34),
}
TABLES = {
    "budget": "deals",
    "person": "people",
    "company": "companies",
    "time_entry": "time_entries",
}
ARCHIVED = ("person", "company")


def test_there_are_33_events() -> None:
    assert sorted(EVENTS) == sorted(number for row in DOCUMENTED.values() for number in row)
    assert len(EVENTS) == 33


@pytest.mark.parametrize("kind", DOCUMENTED)
async def test_the_life_of_a_record_is_told_as_documented(sandbox: Sandbox, kind: str) -> None:
    organization, table = sandbox.organization, TABLES.get(kind, f"{kind}s")
    async with receiving() as receiver:
        await register(sandbox, receiver.url, sorted(EVENTS))
        attributes = {"budget": kind == "budget"} if table == "deals" else {}
        new = organization.put(table, attributes=attributes)
        await sandbox.webhooks.idle()
        organization.put(table, new, attributes={"note": "Changed"})
        await sandbox.webhooks.idle()
        if kind in ARCHIVED:
            organization.put(table, new, attributes={"archived_at": "2026-11-21T10:00:00.000+01:00"})
        else:
            organization.remove(table, new)
        await sandbox.webhooks.idle()
        verbs = ("create", "update", "archive" if kind in ARCHIVED else "delete")
        assert receiver.told == [(f"{verb}_{kind}", int(new)) for verb in verbs]
        assert [call.path for call in receiver.calls] == [f"/{event}" for event in DOCUMENTED[kind]]
        assert {call.document["item_type"] for call in receiver.calls} == {kind}


@pytest.mark.parametrize("table", ["people", "companies"])
async def test_neither_deleting_nor_restoring_a_person_or_company_is_told_as_such(
    sandbox: Sandbox, table: str
) -> None:
    organization = sandbox.organization
    new = organization.put(table, attributes={"archived_at": "2026-11-21T10:00:00.000+01:00"})
    async with receiving() as receiver:
        await register(sandbox, receiver.url, sorted(EVENTS))
        organization.put(table, new, attributes={"archived_at": None})
        organization.remove(table, new)
        await sandbox.webhooks.idle()
        assert [event for event, _ in receiver.told] == [
            "update_person" if table == "people" else "update_company"
        ]


async def test_archiving_anything_else_is_an_update(sandbox: Sandbox) -> None:
    project = sandbox.organization.ids("projects")[0]
    async with receiving() as receiver:
        await register(sandbox, receiver.url, (10, 11))
        archived = {"archived_at": "2026-11-21T10:00:00.000+01:00"}
        sandbox.organization.put("projects", project, attributes=archived)
        await sandbox.webhooks.idle()
        assert receiver.told == [("update_project", int(project))]


@pytest.mark.parametrize("table", ["comments", "services", "line_items", "pages", "webhooks"])
async def test_most_tables_are_never_told(sandbox: Sandbox, table: str) -> None:
    async with receiving() as receiver:
        await register(sandbox, receiver.url, sorted(EVENTS))
        new = sandbox.organization.put(table)
        sandbox.organization.remove(table, new)
        await sandbox.webhooks.idle()
        assert receiver.calls == []
