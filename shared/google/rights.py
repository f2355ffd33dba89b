"""Which rights the services need on Google Cloud, as data: per resource, the permissions and their role.

Each right is asked for on the resource itself and never on a whole project, but for the two that only a
project can give. What a predefined role holds is from Google's documentation of roles and permissions.
Whoever sets a project up (a person with the commands here, or Terraform) needs no other list.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final


class ServiceRole(StrEnum):
    """Who does something: one service account each, or a person with all the commands.

    `backfill` compares and verifies, too. `webhooks` is a scheduled `webhooks verify --replay`, which alone
    may change the webhooks' tokens.
    """

    SERVE = "serve"
    BACKFILL = "backfill"
    WRITER = "writer"
    WEBHOOKS = "webhooks"
    OPERATOR = "operator"


class Resource(StrEnum):
    """What a right is on. A bus is a topic and a subscription of one name, with two more for dead letters."""

    RECORDS_TOPIC = "the topic of the records"
    RECORDS_SUBSCRIPTION = "the subscription of the records"
    RECORDS_DEAD_TOPIC = "the topic of the records' dead letters"
    RECORDS_DEAD_SUBSCRIPTION = "the subscription of the records' dead letters"
    INTAKE_TOPIC = "the topic of webhooks' deliveries"
    INTAKE_SUBSCRIPTION = "the subscription of webhooks' deliveries"
    INTAKE_DEAD_TOPIC = "the topic of the deliveries' dead letters"
    INTAKE_DEAD_SUBSCRIPTION = "the subscription of the deliveries' dead letters"
    BUCKET = "the bucket"
    API_TOKEN = "the secret of the API token"  # noqa: S105 -- words
    WEBHOOK_TOKENS = "the secret of the webhooks' tokens"
    HASH_KEY = "the secret of the key of hashed columns"
    KEEP_OUT_KEY = "the secret of the key of kept-out records"
    DATASET = "the dataset"
    PROJECT = "the project"


@dataclass(frozen=True, slots=True)
class Right:
    """Permissions needed together, and why; `role` is the predefined one that gives them and least else."""

    resource: Resource
    role: str
    permissions: tuple[str, ...]
    services: frozenset[ServiceRole]
    why: str


_SERVE, _BACKFILL, _WRITER, _WEBHOOKS, _OPERATOR = ServiceRole
_PUBLISHER, _SUBSCRIBER, _VIEWER = "roles/pubsub.publisher", "roles/pubsub.subscriber", "roles/pubsub.viewer"
_TOPICS: Final = (
    (Resource.RECORDS_TOPIC, {_SERVE, _BACKFILL, _WEBHOOKS}, "publish records"),
    (Resource.RECORDS_DEAD_TOPIC, {_SERVE, _BACKFILL, _WRITER}, "set dead letters aside"),
    (Resource.INTAKE_TOPIC, {_SERVE, _WEBHOOKS}, "publish webhooks' deliveries"),
    (Resource.INTAKE_DEAD_TOPIC, {_SERVE}, "set dead letters aside"),
)
_SUBSCRIPTIONS: Final = (
    (Resource.RECORDS_SUBSCRIPTION, {_WRITER}, "take records to write them"),
    (Resource.RECORDS_DEAD_SUBSCRIPTION, set[ServiceRole](), "list and replay dead letters"),
    (Resource.INTAKE_SUBSCRIPTION, {_SERVE}, "take webhooks' deliveries to read them"),
    (Resource.INTAKE_DEAD_SUBSCRIPTION, set[ServiceRole](), "list and replay dead letters"),
)
_READ_TABLES: Final = ("bigquery.tables.get", "bigquery.tables.getData")
_WRITE_TABLES: Final = (
    *_READ_TABLES,
    "bigquery.tables.updateData",
    "bigquery.tables.update",
)


def _right(
    resource: Resource, role: str, permissions: Sequence[str], services: Collection[ServiceRole], why: str
) -> Right:
    return Right(resource, role, tuple(permissions), frozenset(services) | {_OPERATOR}, why)


RIGHTS: Final[tuple[Right, ...]] = (
    *(_right(topic, _PUBLISHER, ["pubsub.topics.publish"], who, why) for topic, who, why in _TOPICS),
    *(
        _right(topic, _VIEWER, ["pubsub.topics.get"], (), "see that the topic is there")
        for topic, _, _ in _TOPICS
    ),
    *(
        _right(subscription, _SUBSCRIBER, ["pubsub.subscriptions.consume"], who, why)
        for subscription, who, why in _SUBSCRIPTIONS
    ),
    *(
        _right(subscription, _VIEWER, ["pubsub.subscriptions.get"], (), "see how the subscription is set up")
        for subscription, _, _ in _SUBSCRIPTIONS
    ),
    _right(
        Resource.BUCKET,
        "roles/storage.objectUser",
        ["storage.objects.create", "storage.objects.delete", "storage.objects.get", "storage.objects.list"],
        frozenset(ServiceRole),
        "keep checkpoints, claims, state and the spool",
    ),
    _right(
        Resource.API_TOKEN,
        "roles/secretmanager.secretAccessor",
        ["secretmanager.versions.access"],
        {_SERVE, _BACKFILL, _WEBHOOKS},
        "read Productive's API token",
    ),
    _right(
        Resource.WEBHOOK_TOKENS,
        "roles/secretmanager.secretAccessor",
        ["secretmanager.versions.access"],
        {_SERVE, _WEBHOOKS},
        "check webhooks' signatures",
    ),
    _right(
        Resource.WEBHOOK_TOKENS,
        "roles/secretmanager.secretVersionManager",
        ["secretmanager.versions.add", "secretmanager.versions.destroy", "secretmanager.versions.list"],
        {_WEBHOOKS},
        "keep new webhooks' tokens",
    ),
    _right(
        Resource.HASH_KEY,
        "roles/secretmanager.secretAccessor",
        ["secretmanager.versions.access"],
        {_SERVE, _BACKFILL, _WEBHOOKS},
        "make pseudonyms, where columns are hashed",
    ),
    _right(
        Resource.KEEP_OUT_KEY,
        "roles/secretmanager.secretAccessor",
        ["secretmanager.versions.access"],
        {_BACKFILL, _WRITER},
        "know what a purge keeps out, where it keeps out any",
    ),
    _right(
        Resource.DATASET,
        "roles/bigquery.dataViewer",
        _READ_TABLES,
        {_BACKFILL},
        "compare what was read with what is stored",
    ),
    _right(Resource.DATASET, "roles/bigquery.dataEditor", _WRITE_TABLES, {_WRITER}, "write the tables"),
    _right(
        Resource.DATASET,
        "roles/bigquery.dataEditor",
        ["bigquery.tables.create"],
        {_WRITER},
        "make tables that are missing",
    ),
    _right(
        Resource.DATASET, "roles/bigquery.dataEditor", ["bigquery.tables.delete"], (), "purge whole tables"
    ),
    _right(
        Resource.PROJECT,
        "roles/bigquery.jobUser",
        ["bigquery.jobs.create"],
        {_BACKFILL, _WRITER},
        "ask BigQuery questions",
    ),
    _right(
        Resource.PROJECT,
        "roles/monitoring.viewer",
        ["monitoring.timeSeries.list"],
        {_WRITER},
        "see backlogs and the use of quotas",
    ),
)


def rights_on(resource: Resource, services: Collection[ServiceRole]) -> Sequence[Right]:
    """What any of the services needs on a resource."""
    return [right for right in RIGHTS if right.resource is resource and right.services & set(services)]


def missing(needed: Sequence[Right], held: Collection[str]) -> Sequence[Right]:
    """The rights of which a permission is not held, with those permissions alone; one per role.

    A role that would give nothing but what another one of them gives anyway is left out.
    """
    lacking: dict[str, Right] = {}
    for right in needed:
        lost = tuple(permission for permission in right.permissions if permission not in held)
        if lost and right.role in lacking:
            before = lacking[right.role]
            both = tuple(dict.fromkeys((*before.permissions, *lost)))
            lacking[right.role] = replace(before, permissions=both)
        elif lost:
            lacking[right.role] = replace(right, permissions=lost)
    return [
        right
        for right in lacking.values()
        if not any(set(right.permissions) < set(other.permissions) for other in lacking.values())
    ]


def permissions_of(needed: Sequence[Right]) -> list[str]:
    """All permissions once each, to be asked about."""
    return list(dict.fromkeys(permission for right in needed for permission in right.permissions))
