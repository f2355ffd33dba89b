"""The rights are given on single resources, and the page tells them all."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.google.commands import (
    create_bucket,
    create_dataset,
    grant_on_dataset,
    grant_on_secret,
    grant_on_topic,
    update_table,
)
from shared.google.rights import RIGHTS, Resource, Right, ServiceRole, missing, permissions_of, rights_on

PAGE = Path(__file__).parents[2] / "docs" / "doctor.md"


def row(right: Right) -> str:
    """A right as the page has it."""
    services = ", ".join(f"`{role}`" for role in ServiceRole if role in right.services)
    permissions = ", ".join(f"`{permission}`" for permission in right.permissions)
    return f"| {right.resource} | `{right.role}` | {permissions} | {services} | {right.why} |"


def test_the_page_tells_every_right() -> None:
    told = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if "`roles/" in line]
    assert [line for line in told if line.startswith("| the ")] == [row(right) for right in RIGHTS]


@pytest.mark.parametrize("resource", Resource)
def test_a_person_with_all_commands_needs_everything(resource: Resource) -> None:
    assert rights_on(resource, {ServiceRole.OPERATOR})
    assert rights_on(resource, set()) == []


@pytest.mark.parametrize("service", [ServiceRole.SERVE, ServiceRole.BACKFILL, ServiceRole.WRITER])
def test_no_service_may_do_more_than_it_does(service: ServiceRole) -> None:
    held = set(permissions_of([right for right in RIGHTS if service in right.services]))
    assert ("bigquery.tables.updateData" in held) == (service is ServiceRole.WRITER)
    assert ("pubsub.subscriptions.consume" in held) == (service is not ServiceRole.BACKFILL)
    assert not held & {
        "bigquery.tables.delete",
        "pubsub.topics.get",
        "secretmanager.versions.add",
        "secretmanager.versions.destroy",
    }


def test_only_who_looks_after_the_webhooks_may_change_their_tokens() -> None:
    held = {
        role: permissions_of([right for right in RIGHTS if role in right.services]) for role in ServiceRole
    }
    may_change = {role for role, permissions in held.items() if "secretmanager.versions.add" in permissions}
    assert may_change == {ServiceRole.WEBHOOKS, ServiceRole.OPERATOR}
    assert "pubsub.subscriptions.consume" not in held[ServiceRole.WEBHOOKS]
    assert not any(permission.startswith("bigquery.") for permission in held[ServiceRole.WEBHOOKS])


def test_only_the_right_to_ask_and_to_look_are_given_on_a_project() -> None:
    on_projects = [right for right in RIGHTS if right.resource is Resource.PROJECT]
    assert permissions_of(on_projects) == ["bigquery.jobs.create", "monitoring.timeSeries.list"]


def test_a_role_that_another_one_includes_is_not_asked_for_beside_it() -> None:
    lost = missing(rights_on(Resource.DATASET, list(ServiceRole)), ())
    assert [right.role for right in lost] == ["roles/bigquery.dataEditor"]
    assert "bigquery.tables.create" in lost[0].permissions


def test_nothing_is_missing_where_everything_is_held() -> None:
    needed = rights_on(Resource.BUCKET, list(ServiceRole))
    assert missing(needed, permissions_of(needed)) == []


def test_names_in_commands_are_quoted_for_the_shell() -> None:
    assert "'a b'" in grant_on_topic("acme-data", "a b", "user:x@example.com", "roles/pubsub.publisher")
    assert "'gs://;rm'" in create_bucket(";rm")
    assert "'$(x)'" in grant_on_secret("acme-data", "$(x)", "MEMBER", "roles/x")
    assert create_dataset("acme-data", "x y").endswith("'acme-data:x y'")
    assert update_table("p", "d", "`t`", "--expiration=0").endswith("'p:d.`t`'")
    assert grant_on_dataset("p", "it's", "MEMBER", "roles/x").count("'\"'\"'") == 1
