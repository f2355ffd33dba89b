"""The shape of records: relationships, includes, sparse fieldsets."""

from __future__ import annotations

import pytest

from services.sandbox import Sandbox
from tests.sandbox.api import Api

_ABSENT = {"meta": {"included": False}}


async def test_ids_are_strings_and_types_are_given(api: Api) -> None:
    for record in (await api.get("time_entries")).data:
        assert isinstance(record["id"], str)
        assert record["type"] == "time_entries"


async def test_what_is_not_included_is_not_told(api: Api, sandbox: Sandbox) -> None:
    record = (await api.get("tasks")).data[0]
    relationships = record["relationships"]
    assert relationships.pop("organization") == {
        "data": {"type": "organizations", "id": sandbox.organization_id}
    }
    assert relationships
    assert all(value == _ABSENT for value in relationships.values())


async def test_what_is_included_is_linked_and_sent_along_once(api: Api, sandbox: Sandbox) -> None:
    reply = await api.get("time_entries", {"include": "person,task", "page[size]": 100})
    linked = set()
    for record in reply.data:
        truth = sandbox.organization.resource("time_entries", record["id"])["relationships"]
        for name in ("person", "task"):
            assert record["relationships"][name] == truth[name]
            if truth[name]["data"]:
                linked.add((truth[name]["data"]["type"], truth[name]["data"]["id"]))
        assert record["relationships"]["service"] == _ABSENT
    sent = [(record["type"], record["id"]) for record in reply.document["included"]]
    assert sorted(sent) == sorted(linked)
    assert len(sent) == len(set(sent))


async def test_an_empty_relationship_is_null_when_it_is_included(api: Api, sandbox: Sandbox) -> None:
    empty = next(
        record["id"]
        for record in sandbox.organization.resources("tasks")
        if record["relationships"]["parent_task"]["data"] is None
    )
    reply = await api.get(f"tasks/{empty}", {"include": "parent_task"})
    assert reply.data["relationships"]["parent_task"] == {"data": None}


async def test_relationships_to_many_can_be_included(api: Api, sandbox: Sandbox) -> None:
    reply = await api.get("workflows", {"include": "workflow_statuses"})
    truth = sandbox.organization.resource("workflows", reply.data[0]["id"])
    assert reply.data[0]["relationships"]["workflow_statuses"] == truth["relationships"]["workflow_statuses"]
    assert len(reply.document["included"]) == sandbox.organization.count("workflow_statuses")


async def test_paths_with_dots_include_what_is_further_away(api: Api, sandbox: Sandbox) -> None:
    reply = await api.get("tasks", {"include": "project.company", "page[size]": 5})
    projects = [record for record in reply.document["included"] if record["type"] == "projects"]
    companies = {record["id"] for record in reply.document["included"] if record["type"] == "companies"}
    assert projects
    for project in projects:
        assert project["relationships"]["company"]["data"]["id"] in companies
        assert project["relationships"]["project_manager"] == _ABSENT


@pytest.mark.parametrize(
    ("path", "include"),
    [
        ("invoices", "line_items"),
        ("tasks", "nonsense"),
        ("tasks", "project.nonsense"),
        ("bookings", "origin.x"),
    ],
)
async def test_an_unsupported_include_is_refused_by_name(api: Api, path: str, include: str) -> None:
    reply = await api.get(path, {"include": include})
    assert (reply.status, reply.error["title"]) == (400, "Unsupported Include")
    assert include in reply.error["detail"]


async def test_sparse_fieldsets_govern_attributes_and_relationships(api: Api) -> None:
    params: dict[str, str | int] = {
        "include": "project,assignee",
        "fields[tasks]": "title,project,nonsense",
        "fields[projects]": "name",
        "page[size]": 20,
    }
    reply = await api.get("tasks", params)
    for record in reply.data:
        assert set(record["attributes"]) == {"title"}
        assert set(record["relationships"]) == {"project"}
    types = {record["type"] for record in reply.document["included"]}
    assert types == {"projects", "people"}
    for record in reply.document["included"]:
        if record["type"] == "projects":
            assert set(record["attributes"]) == {"name"}
            assert "relationships" not in record
        else:
            assert len(record["attributes"]) > 20


async def test_an_empty_fieldset_leaves_only_ids(api: Api) -> None:
    record = (await api.get("tasks", {"fields[tasks]": ""})).data[0]
    assert record["attributes"] == {}
    assert "relationships" not in record


async def test_one_record_is_read_by_id_and_ignores_sparse_fieldsets(api: Api, sandbox: Sandbox) -> None:
    identifier = sandbox.organization.ids("invoices")[0]
    reply = await api.get(f"invoices/{identifier}", {"include": "company", "fields[invoices]": "number"})
    truth = sandbox.organization.resource("invoices", identifier)
    assert reply.data["attributes"] == truth["attributes"]
    assert reply.data["relationships"]["company"] == truth["relationships"]["company"]
    assert [record["type"] for record in reply.document["included"]] == ["companies"]


@pytest.mark.parametrize("identifier", ["1", "0", "abc", "99999999999999999999999", "-1"])
async def test_a_record_that_is_not_there_is_not_found(api: Api, identifier: str) -> None:
    reply = await api.get(f"tasks/{identifier}")
    assert (reply.status, reply.error["code"]) == (404, "record_not_found")


async def test_a_record_that_was_deleted_is_not_linked_any_more(api: Api, sandbox: Sandbox) -> None:
    entry = next(
        record
        for record in sandbox.organization.resources("time_entries")
        if record["relationships"]["task"]["data"]
    )
    path, params = f"time_entries/{entry['id']}", {"include": "task"}
    assert (await api.get(path, params)).data["relationships"]["task"]["data"]
    sandbox.organization.remove("tasks", entry["relationships"]["task"]["data"]["id"])
    reply = await api.get(path, params)
    assert reply.data["relationships"]["task"] == {"data": None}
    assert reply.document["included"] == []


async def test_every_table_lists_what_the_organization_holds(api: Api, sandbox: Sandbox) -> None:
    organization = sandbox.organization
    sandbox.faults.boards_missing = False
    for table in organization.tables:
        path = f"reports/{table}" if table.endswith("_reports") else table
        params: dict[str, str | int] = {"page[size]": 1}
        if table in ("bookings", "expenses"):
            params["filter[with_draft]"] = "true"
        reply = await api.get(path, params)
        assert reply.meta["total_count"] == organization.count(table), table
        truth = organization.resource(table, reply.data[0]["id"])
        assert reply.data[0]["attributes"] == truth["attributes"], table
        assert reply.data[0]["type"] == truth["type"], table
