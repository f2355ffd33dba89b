"""The rights that the module gives against those that the services need (`shared.google.rights`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from scripts.terraform_checks.module import Module
from shared.google.rights import RIGHTS, Resource, ServiceRole

ACCOUNTS: Final[Mapping[str, ServiceRole]] = {
    "ingest": ServiceRole.SERVE,
    "backfill": ServiceRole.BACKFILL,
    "writer": ServiceRole.WRITER,
    "webhooks": ServiceRole.WEBHOOKS,
    "operator": ServiceRole.OPERATOR,
}
"""The service that runs as an account of the module."""

RESOURCES: Final[Mapping[tuple[str, str], Resource]] = {
    ("topic", "records"): Resource.RECORDS_TOPIC,
    ("topic", "records-dead"): Resource.RECORDS_DEAD_TOPIC,
    ("topic", "deliveries"): Resource.INTAKE_TOPIC,
    ("topic", "deliveries-dead"): Resource.INTAKE_DEAD_TOPIC,
    ("subscription", "records"): Resource.RECORDS_SUBSCRIPTION,
    ("subscription", "records-dead"): Resource.RECORDS_DEAD_SUBSCRIPTION,
    ("subscription", "deliveries"): Resource.INTAKE_SUBSCRIPTION,
    ("subscription", "deliveries-dead"): Resource.INTAKE_DEAD_SUBSCRIPTION,
    ("bucket", "state"): Resource.BUCKET,
    ("secret", "productive_api_token"): Resource.API_TOKEN,
    ("secret", "productive_webhook_tokens"): Resource.WEBHOOK_TOKENS,
    ("secret", "column_hash_key"): Resource.HASH_KEY,
    ("secret", "keep_out_key"): Resource.KEEP_OUT_KEY,
    ("dataset", "warehouse"): Resource.DATASET,
    ("project", "project"): Resource.PROJECT,
}

Grant = tuple[ServiceRole, Resource, str]
"""Who gets which role on what."""


def needed() -> frozenset[Grant]:
    """What the services need."""
    return frozenset((service, right.resource, right.role) for right in RIGHTS for service in right.services)


def given(rights: list[Mapping[str, Any]]) -> frozenset[Grant]:
    """What the module's table of rights says."""
    return frozenset(
        (ACCOUNTS[who], RESOURCES[right["on"], right["name"]], right["role"])
        for right in rights
        for who in right["who"]
    )


def check(module: Module) -> Iterator[str]:
    """Rights that are missing, and rights that nobody needs."""
    has, needs = given(module.locals["rights"]), needed()
    for service, resource, role in sorted(needs - has):
        yield f"the rights: {service} lacks {role} on {resource}"
    for service, resource, role in sorted(has - needs):
        yield f"the rights: {service} has {role} on {resource} and does not need it"
