"""Looks at a bucket: whether it is there, what this account may do in it, and how objects may get lost.

How a bucket is set up may be seen with `storage.buckets.get` alone, which none of the services needs: who
lacks it is told less. TestIamPermissions needs no right (documented).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

from google.api_core import exceptions
from google.api_core.client_options import ClientOptions
from google.cloud.storage import Client

from shared.google.commands import create_bucket, grant_on_bucket, update_bucket
from shared.google.endpoints import STORAGE, rest_credentials
from shared.google.examination import CALL_SECONDS, Examination, lacking
from shared.google.failures import Place
from shared.google.findings import Finding, good, problem, warning
from shared.google.names import checked, parse_cloud_url
from shared.google.refusals import refused
from shared.google.rights import Resource, missing, permissions_of, rights_on
from shared.objects.gcs.connect import BUCKET, EXAMPLE
from shared.room import duration


async def examine(url: str, examination: Examination) -> Sequence[Finding]:
    """See `shared.google.examination`."""
    name = checked(parse_cloud_url(url, example=EXAMPLE).first, BUCKET, what="a bucket", example=EXAMPLE)
    client = await asyncio.to_thread(_client)
    try:
        return await _look(client.bucket(name), name, examination)
    finally:
        client.close()


async def _look(bucket: Any, name: str, examination: Examination) -> Sequence[Finding]:
    needed = rights_on(Resource.BUCKET, examination.services)
    subject, role = f"bucket {name}", needed[0].role
    place = Place(STORAGE, f"the bucket {name}", examination.project, role)
    grant = grant_on_bucket(name, examination.member, role)
    try:
        held = await asyncio.to_thread(
            bucket.test_iam_permissions, permissions_of(needed), timeout=CALL_SECONDS, retry=None
        )
    except Exception as error:
        if not isinstance(error, exceptions.NotFound) or STORAGE.stand_in is None:
            return [refused(subject, error, place, grant=grant, create=create_bucket(name))]
        # A stand-in that knows no rights; whether the bucket is there comes next.
        held = permissions_of(needed)
    lost = [
        lacking(subject, right, examination.member, grant_on_bucket(name, examination.member, right.role))
        for right in missing(needed, held)
    ]
    findings = lost or [good(subject, "is there, with all rights on its objects")]
    try:
        await asyncio.to_thread(bucket.reload, timeout=CALL_SECONDS, retry=None)
    except exceptions.Forbidden:
        return findings  # how it is set up is not for this account to see
    except Exception as error:
        return [*lost, refused(subject, error, place, grant=grant, create=create_bucket(name))]
    return [*findings, *_settings(bucket, name, subject)]


def _client() -> Client:
    stand_in, options = STORAGE.stand_in, None
    if stand_in is not None:
        options = ClientOptions(api_endpoint=stand_in if "://" in stand_in else f"http://{stand_in}")
    return Client(project=None, credentials=rest_credentials(STORAGE), client_options=options)


def _settings(bucket: Any, name: str, subject: str) -> Iterator[Finding]:
    if bucket.retention_period:
        text = (
            f"objects cannot be replaced for {duration(bucket.retention_period)}, and checkpoints have to be"
        )
        yield problem(subject, text, update_bucket(name, "--clear-retention-period"))
    ages = [_age(rule) for rule in bucket.lifecycle_rules if _deletes_what_lives(rule)]
    if ages:
        text = (
            f"objects are deleted by themselves after {min(ages)} days, also those that are written once and "
            "needed for ever: the registered webhooks, the list of records to keep out"
        )
        yield problem(subject, text, update_bucket(name, "--clear-lifecycle"))
    policy = bucket.soft_delete_policy.retention_duration_seconds or 0
    if bucket.versioning_enabled:
        text = "old versions of every checkpoint are kept and paid for, and what was purged is among them"
        yield warning(subject, text, update_bucket(name, "--no-versioning"))
    elif policy:
        text = f"what is deleted can be restored for {duration(policy)}, also after a purge"
        yield good(subject, text)
    else:
        text = "what is deleted is gone at once, purged records too; a lost checkpoint costs one crawl"
        yield good(subject, text)


def _deletes_what_lives(rule: Any) -> bool:
    """Whether a lifecycle rule deletes current objects by age, and no more than some old kind of them."""
    condition = rule.get("condition", {})
    return (
        rule.get("action", {}).get("type") == "Delete"
        and "age" in condition
        and condition.get("isLive", True)
        and not condition.get("matchesPrefix")
        and not condition.get("numNewerVersions")
        and not condition.get("daysSinceNoncurrentTime")
    )


def _age(rule: Any) -> int:
    return int(rule["condition"]["age"])
