"""Changes at run time, and the traces they leave."""

from __future__ import annotations

import pytest

from services.sandbox import Change, Sandbox, SandboxSettings
from services.sandbox.webhooks.events import event_of
from services.sandbox.zone import instant
from tests.sandbox.api import Api


def _times(sandbox: Sandbox, table: str, identifier: str) -> dict[str, int]:
    attributes = sandbox.organization.resource(table, identifier)["attributes"]
    return {
        name: instant(attributes[name])
        for name in ("created_at", "updated_at", "last_activity_at")
        if attributes.get(name)
    }


async def test_a_change_moves_the_times_and_nothing_else(api: Api, sandbox: Sandbox) -> None:
    organization = sandbox.organization
    identifier = organization.ids("tasks")[0]
    before, then = organization.resource("tasks", identifier), _times(sandbox, "tasks", identifier)
    organization.put("tasks", identifier, attributes={"title": "Changed"})
    after, now = organization.resource("tasks", identifier), _times(sandbox, "tasks", identifier)
    assert now["created_at"] == then["created_at"]
    assert now["updated_at"] > then["updated_at"]
    assert now["last_activity_at"] > then["last_activity_at"]
    moved = {
        "title": "Changed",
        **{name: after["attributes"][name] for name in ("updated_at", "last_activity_at")},
    }
    assert after["attributes"] == before["attributes"] | moved
    assert after["relationships"] == before["relationships"]
    assert (await api.get(f"tasks/{identifier}")).data["attributes"]["title"] == "Changed"


async def test_two_changes_at_once_have_different_times(sandbox: Sandbox) -> None:
    identifier = sandbox.organization.ids("tasks")[0]
    times = []
    for number in range(3):
        sandbox.organization.put("tasks", identifier, attributes={"title": str(number)})
        times.append(_times(sandbox, "tasks", identifier)["updated_at"])
    assert times == sorted(set(times))


async def test_what_is_created_is_listed_with_its_relationships(api: Api, sandbox: Sandbox) -> None:
    organization = sandbox.organization
    project, person = organization.ids("projects")[0], organization.ids("people")[0]
    new = organization.put(
        "tasks",
        attributes={"title": "Born"},
        relationships={
            "project": project,
            "assignee": person,
            "attachments": organization.ids("attachments")[:2],
        },
    )
    reply = await api.get(f"tasks/{new}", {"include": "project,attachments"})
    assert reply.data["relationships"]["project"] == {"data": {"type": "projects", "id": project}}
    assert len(reply.data["relationships"]["attachments"]["data"]) == 2
    assert reply.data["relationships"]["organization"]["data"]["id"] == sandbox.organization_id
    assert reply.data["attributes"]["created_at"]


async def test_a_relationship_without_a_fixed_target_names_its_table(sandbox: Sandbox) -> None:
    organization = sandbox.organization
    booking, task = organization.ids("bookings")[0], organization.ids("tasks")[0]
    organization.put("bookings", booking, relationships={"origin": ("tasks", task)})
    origin = organization.resource("bookings", booking)["relationships"]["origin"]
    assert origin == {"data": {"type": "tasks", "id": task}}
    with pytest.raises(ValueError, match="no fixed target"):
        organization.put("bookings", booking, relationships={"origin": task})


async def test_changes_are_written_to_the_feed(api: Api, sandbox: Sandbox) -> None:
    organization = sandbox.organization
    identifier = organization.ids("tasks")[0]
    title = organization.resource("tasks", identifier)["attributes"]["title"]
    organization.put("tasks", identifier, attributes={"title": "Changed"})
    organization.remove("tasks", identifier)
    reply = await api.get(
        "activities", {"filter[item_id]": identifier, "filter[item_type]": "task", "sort": "created_at"}
    )
    update, deletion = reply.data[-2:]
    assert update["attributes"]["event"] == "update"
    assert update["attributes"]["changeset"] == [{"title": [title, "Changed"]}]
    assert deletion["attributes"]["event"] == "destroy"
    assert deletion["attributes"]["item_deleted_at"]


@pytest.mark.parametrize(
    ("table", "kind"),
    [("tasks", "task"), ("invoices", "invoice"), ("pages", "page"), ("time_entries", "time_entry")],
)
async def test_the_recycle_bin_holds_what_was_deleted(
    api: Api, sandbox: Sandbox, table: str, kind: str
) -> None:
    identifier = sandbox.organization.ids(table)[0]
    sandbox.organization.remove(table, identifier)
    found = (await api.get("deleted_items", {"sort": "-created_at", "page[size]": 1})).data[0]["attributes"]
    assert (found["item_id"], found["item_type"]) == (int(identifier), kind)
    assert (await api.get(f"{table}/{identifier}")).status == 404


async def test_a_deleted_budget_is_called_a_budget(sandbox: Sandbox) -> None:
    organization = sandbox.organization
    for budget in (True, False):
        identifier = next(
            deal["id"] for deal in organization.resources("deals") if deal["attributes"]["budget"] is budget
        )
        organization.remove("deals", identifier)
    kinds = [record["attributes"]["item_type"] for record in organization.resources("deleted_items")]
    assert kinds[-2:] == ["budget", "deal"]


async def test_the_recycle_bin_does_not_hold_everything(sandbox: Sandbox) -> None:
    before = sandbox.organization.count("deleted_items")
    sandbox.organization.remove("bookings", sandbox.organization.ids("bookings")[0])
    assert sandbox.organization.count("deleted_items") == before


async def test_time_entries_leave_versions(sandbox: Sandbox) -> None:
    organization = sandbox.organization
    identifier = organization.ids("time_entries")[0]
    organization.put("time_entries", identifier, attributes={"time": 15})
    version = list(organization.resources("time_entry_versions"))[-1]
    assert version["attributes"]["item_id"] == int(identifier)
    assert version["attributes"]["changeset"]["time"][1] == 15


async def test_listeners_are_told_of_every_change(sandbox: Sandbox) -> None:
    organization = sandbox.organization
    heard: list[Change] = []
    organization.subscribe(heard.append)
    new = organization.put("companies", attributes={"name": "New"})
    organization.put("companies", new, attributes={"name": "Newer"})
    organization.remove("companies", new)
    assert [(change.kind, change.table, change.id) for change in heard] == [
        ("create", "companies", new),
        ("update", "companies", new),
        ("delete", "companies", new),
    ]
    assert heard[1].before is not None
    assert heard[1].after is not None
    assert heard[1].before["attributes"]["name"] == "New"
    assert heard[1].after["attributes"]["name"] == "Newer"
    assert heard[2].after is None


async def test_a_removed_record_cannot_be_removed_again(sandbox: Sandbox) -> None:
    identifier = sandbox.organization.ids("tasks")[0]
    sandbox.organization.remove("tasks", identifier)
    with pytest.raises(KeyError):
        sandbox.organization.remove("tasks", identifier)
    with pytest.raises(KeyError):
        sandbox.organization.resource("tasks", identifier)


async def test_one_sandboxs_changes_are_not_another_ones() -> None:
    first, second = (Sandbox(SandboxSettings(people=2)) for _ in range(2))
    async with first, second:
        identifier = first.organization.ids("tasks")[0]
        first.organization.put("tasks", identifier, attributes={"title": "Only here"})
        first.organization.remove("projects", first.organization.ids("projects")[0])
        title = second.organization.resource("tasks", identifier)["attributes"]["title"]
        assert title != "Only here"
        assert second.organization.count("projects") == first.organization.count("projects") + 1


async def test_what_is_restored_comes_back_as_it_was_and_leaves_the_recycle_bin(sandbox: Sandbox) -> None:
    organization, told = sandbox.organization, list[Change]()
    organization.subscribe(told.append)
    identifier = organization.ids("tasks")[0]
    before, bin_ = organization.resource("tasks", identifier), organization.count("deleted_items")
    organization.remove("tasks", identifier)
    assert organization.count("deleted_items") == bin_ + 1
    organization.restore("tasks", identifier)
    assert organization.resource("tasks", identifier) == before
    assert organization.count("deleted_items") == bin_
    assert [change.kind for change in told] == ["delete", "restore"]
    assert event_of(told[1]) is None, "Productive has no event for it"
    with pytest.raises(KeyError):
        organization.restore("tasks", identifier)
