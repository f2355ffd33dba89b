from __future__ import annotations

import aiohttp
import pytest

from services.sandbox import Sandbox
from tests.sandbox.api import Api


@pytest.mark.parametrize("token", ["", "nobody's token"])
async def test_a_missing_or_wrong_token_is_refused(api: Api, token: str) -> None:
    reply = await api.get("tasks", headers={"X-Auth-Token": token})
    assert (reply.status, reply.error["code"], reply.error["status"]) == (401, "invalid_auth_token", "401")


@pytest.mark.parametrize("organization", ["", "kocka"])
async def test_a_missing_organization_is_refused(api: Api, organization: str) -> None:
    reply = await api.get("tasks", headers={"X-Organization-Id": organization})
    assert (reply.status, reply.error["code"]) == (403, "no_organization_id")


async def test_somebody_elses_organization_is_refused(api: Api) -> None:
    reply = await api.get("tasks", headers={"X-Organization-Id": "1"})
    assert (reply.status, reply.error["code"]) == (403, "no_person")


async def test_organization_memberships_do_not_need_the_organization(api: Api) -> None:
    reply = await api.get("organization_memberships", headers={"X-Organization-Id": ""})
    assert reply.status == 200
    assert reply.data[0]["relationships"]["organization"] == {"meta": {"included": False}}


async def test_users_are_only_the_caller(api: Api, sandbox: Sandbox) -> None:
    users = (await api.get("users")).data
    members = (await api.get("organization_memberships", {"include": "person,user"})).data
    assert [user["id"] for user in users] == [members[0]["relationships"]["user"]["data"]["id"]]
    caller = sandbox.organization.resource("people", members[0]["relationships"]["person"]["data"]["id"])
    assert caller["attributes"]["user_id"] == int(users[0]["id"])


@pytest.mark.parametrize("path", ["nonsense", "tasks/1/2", "invitations", "organization_subscriptions"])
async def test_an_unknown_path_is_no_route(api: Api, path: str) -> None:
    reply = await api.get(path)
    assert (reply.status, reply.error["title"]) == (404, "Route not found")


async def test_boards_are_missing_and_folders_serve_them(api: Api, sandbox: Sandbox) -> None:
    assert (await api.get("boards")).error["title"] == "Route not found"
    folders = await api.get("folders", {"page[size]": 200})
    assert folders.ids == sandbox.organization.ids("boards")
    sandbox.faults.boards_missing = False
    boards = await api.get("boards", {"page[size]": 200})
    assert boards.ids == folders.ids
    assert {record["type"] for record in boards.data} == {"boards"}


async def test_a_post_needs_the_content_type_before_it_needs_a_token(sandbox: Sandbox) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{sandbox.url}/tasks", data=b"{}", headers={"Content-Type": "text/plain"}) as response,
    ):
        assert response.status == 415
        document = await response.json(content_type=None)
    assert document["errors"][0]["code"] == "unsupported_content_type"
