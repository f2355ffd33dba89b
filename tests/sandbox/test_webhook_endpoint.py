"""Registering webhooks over the API."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from services.sandbox import Limits, Sandbox, SandboxSettings
from tests.sandbox.api import Api

GOOD = {"event_id": 1, "target_url": "http://127.0.0.1:9/hook", "type_id": 1}


def registration(**attributes: Any) -> dict[str, Any]:
    return {"data": {"type": "webhooks", "attributes": {**GOOD, **attributes}}}


async def test_a_new_webhook_waits_and_tells_its_signature_token(api: Api, sandbox: Sandbox) -> None:
    reply = await api.post("webhooks", registration(name="Ours"))
    assert reply.status == 201
    attributes = reply.data["attributes"]
    assert attributes["state_id"] == 3
    assert (attributes["event_id"], attributes["type_id"], attributes["name"]) == (1, 1, "Ours")
    assert attributes["target_url"] == GOOD["target_url"]
    assert (
        attributes["retry_attempts"] is attributes["deactivated_at"] is attributes["custom_headers"] is None
    )
    assert attributes["test"] is False
    assert str(uuid.UUID(attributes["signature_token"])) == attributes["signature_token"]
    assert (await api.get(f"webhooks/{reply.data['id']}")).data == reply.data


async def test_type_and_name_may_be_left_out(api: Api) -> None:
    body = {"data": {"type": "webhooks", "attributes": {"event_id": 7, "target_url": "https://a.example/x"}}}
    reply = await api.post("webhooks", body)
    assert (reply.status, reply.data["attributes"]["type_id"]) == (201, 1)


async def test_signature_tokens_follow_from_the_seed_and_never_come_again(api: Api) -> None:
    first, second = [await api.post("webhooks", registration()) for _ in range(2)]
    await api.send("DELETE", f"webhooks/{second.data['id']}")
    third = await api.post("webhooks", registration())
    tokens = [reply.data["attributes"]["signature_token"] for reply in (first, second, third)]
    assert len({*tokens}) == len({reply.data["id"] for reply in (first, second, third)}) == 3
    async with Sandbox(SandboxSettings(people=5)) as again, Api(again) as other:
        reply = await other.post("webhooks", registration())
        assert reply.data["attributes"]["signature_token"] == tokens[0]


async def test_webhooks_are_found_by_event_id_type_and_state(api: Api) -> None:
    new = (await api.post("webhooks", registration(event_id=24))).data["id"]
    for name, value in {"event_id": 24, "id": new, "state_id": 3, "type_id": 1}.items():
        assert (await api.get("webhooks", {f"filter[{name}]": value})).ids == [new]


async def test_a_removed_webhook_is_gone(api: Api) -> None:
    new = (await api.post("webhooks", registration())).data["id"]
    assert (await api.send("DELETE", f"webhooks/{new}")).status == 204
    assert (await api.get(f"webhooks/{new}")).status == 404
    assert (await api.send("DELETE", f"webhooks/{new}")).error["code"] == "record_not_found"
    assert (await api.send("DELETE", "webhooks/nonsense")).status == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [("PATCH", "webhooks/1"), ("PUT", "webhooks/1"), ("DELETE", "webhooks"), ("POST", "tasks")],
)
async def test_nothing_else_can_be_written(api: Api, method: str, path: str) -> None:
    headers = {"Content-Type": "application/vnd.api+json"}
    reply = await api.send(method, path, body=b"{}", headers=headers)
    assert (reply.status, reply.error["code"]) == (404, "route_not_found")


async def test_the_type_of_the_content_is_checked_before_the_token(api: Api) -> None:
    headers = {"Content-Type": "application/json", "X-Auth-Token": "wrong"}
    reply = await api.post("webhooks", registration(), headers)
    assert (reply.status, reply.error["code"]) == (415, "unsupported_content_type")
    reply = await api.post("webhooks", registration(), {"X-Auth-Token": "wrong"})
    assert (reply.status, reply.error["code"]) == (401, "invalid_auth_token")


@pytest.mark.parametrize(
    ("attributes", "fields"),
    [
        ({"event_id": None}, ["event_id"]),
        ({"event_id": 36}, ["event_id"]),
        ({"event_id": "task"}, ["event_id"]),
        ({"target_url": None, "event_id": None}, ["event_id", "target_url"]),
        ({"target_url": "ftp://a.example"}, ["target_url"]),
        ({"target_url": "http://[broken"}, ["target_url"]),
        ({"target_url": 3}, ["target_url"]),
        ({"type_id": 3}, ["type_id"]),
        ({"name": 3}, ["name"]),
        ({"custom_headers": "X: 1"}, ["custom_headers"]),
    ],
)
async def test_a_bad_attribute_is_pointed_at(api: Api, attributes: dict[str, Any], fields: list[str]) -> None:
    reply = await api.post("webhooks", registration(**attributes))
    assert reply.status == 422
    pointers = [error["source"]["pointer"] for error in reply.document["errors"]]
    assert pointers == [f"data/attributes/{field}" for field in fields]


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"nonsense", b'{"data": []}', b'{"data": {}}'])
async def test_a_body_without_a_webhook_is_refused(api: Api, body: bytes) -> None:
    reply = await api.post("webhooks", body)
    assert (reply.status, reply.error["source"]["pointer"][:4]) == (422, "data")


async def test_a_plan_without_webhooks_says_so() -> None:
    async with Sandbox(SandboxSettings(people=2, webhooks_allowed=False)) as small, Api(small) as client:
        reply = await client.post("webhooks", b"{}")
        assert (reply.status, reply.error["code"]) == (403, "webhooks_limit_exceeded")
        assert (await client.get("webhooks")).status == 200


async def test_a_plan_can_lose_its_webhooks_while_the_sandbox_runs(api: Api, sandbox: Sandbox) -> None:
    sandbox.faults.unavailable["webhooks"] = (403, "webhooks_limit_exceeded")
    reply = await api.post("webhooks", registration())
    assert (reply.status, reply.error["code"]) == (403, "webhooks_limit_exceeded")


async def test_a_token_that_can_only_read_says_something_else() -> None:
    async with Sandbox(SandboxSettings(people=2, read_only=True)) as small, Api(small) as client:
        reply = await client.post("webhooks", registration())
        assert (reply.status, reply.error["code"]) == (403, "forbidden")
        old = small.organization.ids("webhooks")[0]
        assert (await client.send("DELETE", f"webhooks/{old}")).status == 403


async def test_writing_counts_against_the_limits() -> None:
    async with Sandbox(SandboxSettings(people=2, limits=Limits())) as small, Api(small) as client:
        for _ in range(100):
            last = await client.post("webhooks", b"{}")
        assert last.status == 422
        assert (await client.post("webhooks", b"{}")).status == 429
