"""Looks at a bus on Pub/Sub: what is there, what this account may do with it, what is lost, what waits.

Which rights an account has is asked with TestIamPermissions, which answers with none for a resource that
does not exist (documented), so that this is asked first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

from google.api_core import exceptions
from google.iam.v1.iam_policy_pb2 import (  # type: ignore[import-untyped]
    GetIamPolicyRequest,
    TestIamPermissionsRequest,
)
from google.pubsub_v1.types import Subscription

from shared.bus.pubsub.clients import Clients
from shared.bus.pubsub.losses import look_at_settings
from shared.bus.pubsub.names import DEAD, Names, parse
from shared.bus.pubsub.provisioning import (
    DEAD_RETENTION_SECONDS,
    FIRST_BACKOFF_SECONDS,
    LONGEST_BACKOFF_SECONDS,
    MAX_DELIVERY_ATTEMPTS,
    RETENTION_SECONDS,
)
from shared.bus.pubsub.waiting import look_at_waiting
from shared.google.commands import (
    create_subscription,
    create_topic,
    grant_on_subscription,
    grant_on_topic,
)
from shared.google.endpoints import PUBSUB
from shared.google.examination import CALL_SECONDS, Examination, Store, lacking
from shared.google.failures import Place, is_switched_off
from shared.google.findings import Finding, good, warning
from shared.google.refusals import refused
from shared.google.rights import Resource, missing, permissions_of, rights_on

_FORWARDER: Final = "@gcp-sa-pubsub.iam.gserviceaccount.com"
_RESOURCES: Final = {
    Store.RECORDS: (
        Resource.RECORDS_TOPIC,
        Resource.RECORDS_SUBSCRIPTION,
        Resource.RECORDS_DEAD_TOPIC,
        Resource.RECORDS_DEAD_SUBSCRIPTION,
    ),
    Store.INTAKE: (
        Resource.INTAKE_TOPIC,
        Resource.INTAKE_SUBSCRIPTION,
        Resource.INTAKE_DEAD_TOPIC,
        Resource.INTAKE_DEAD_SUBSCRIPTION,
    ),
}


class _Asked(NamedTuple):
    """One topic or subscription: how it is asked for, granted and made."""

    resource: Resource
    name: str
    subject: str
    path: str
    get: Callable[..., Any]
    iam: Any
    grant: Callable[[str, str, str, str], str]
    create: str


async def examine(url: str, examination: Examination) -> Sequence[Finding]:
    """See `shared.google.examination`."""
    names, clients = parse(url), Clients()
    try:
        asked = [
            one
            for one in _asked(names, clients, _RESOURCES[examination.store])
            if rights_on(one.resource, examination.services)
        ]
        seen = await asyncio.gather(*(_look_at(one, names, examination) for one in asked))
        findings = [finding for one in seen for finding in one.findings]
        subscriptions = [one.found for one in seen if isinstance(one.found, Subscription)]
        findings += await _forwarding(names, clients, subscriptions)
        if examination.metrics is not None and any(one.there for one in seen):
            findings += await look_at_waiting(
                names, examination, examination.metrics, _retention(names, subscriptions)
            )
        return findings
    finally:
        await clients.close()


def _asked(names: Names, clients: Clients, resources: Sequence[Resource]) -> Iterable[_Asked]:
    publisher, subscriber = clients.publisher.get(), clients.subscriber.get()
    # The dead letters' pair first, as the other subscription can only be made once its topic is there.
    for dead in (True, False):
        topic, subscription = resources[2 * dead : 2 * dead + 2]
        name = names.name + DEAD * dead
        flags = (
            [f"--message-retention-duration={DEAD_RETENTION_SECONDS // 86_400}d"]
            if dead
            else [
                f"--message-retention-duration={RETENTION_SECONDS // 86_400}d",
                f"--min-retry-delay={FIRST_BACKOFF_SECONDS}s",
                f"--max-retry-delay={LONGEST_BACKOFF_SECONDS}s",
                f"--dead-letter-topic={names.name}{DEAD}",
                f"--max-delivery-attempts={MAX_DELIVERY_ATTEMPTS}",
            ]
        )
        yield _Asked(
            topic,
            name,
            f"topic {name}",
            names.dead_topic if dead else names.topic,
            lambda path: publisher.get_topic(topic=path, retry=None, timeout=CALL_SECONDS),
            publisher,
            grant_on_topic,
            create_topic(names.project, name),
        )
        yield _Asked(
            subscription,
            name,
            f"subscription {name}",
            names.dead_subscription if dead else names.subscription,
            lambda path: subscriber.get_subscription(subscription=path, retry=None, timeout=CALL_SECONDS),
            subscriber,
            grant_on_subscription,
            create_subscription(names.project, name, name, *flags),
        )


class _Seen(NamedTuple):
    """What was found: the resource itself, None where it may not be seen, and whether it is there."""

    findings: Sequence[Finding]
    found: Any = None
    there: bool = False


async def _look_at(one: _Asked, names: Names, examination: Examination) -> _Seen:
    needed = rights_on(one.resource, examination.services)
    found, denied = None, None
    place = Place(PUBSUB, one.subject, names.project, needed[0].role)
    grant = one.grant(names.project, one.name, examination.member, needed[0].role)
    try:
        found = await one.get(one.path)
    except exceptions.PermissionDenied as error:
        if is_switched_off(error):
            return _Seen([refused(one.subject, error, place, grant=grant)])
        denied = error
    except Exception as error:
        return _Seen([refused(one.subject, error, place, grant=grant, create=one.create)])
    try:
        held = await _held(one, permissions_of(needed))
    except exceptions.MethodNotImplemented:
        held = permissions_of(needed)  # a stand-in, which lets everybody do everything
    except Exception as error:
        return _Seen([refused(one.subject, error, place, grant=grant)], found, there=True)
    if denied is not None and not held:
        # Google does not tell whoever may do nothing with it whether it exists.
        return _Seen([refused(one.subject, denied, place, grant=grant)])
    lost = [
        lacking(
            one.subject,
            right,
            examination.member,
            one.grant(names.project, one.name, examination.member, right.role),
        )
        for right in missing(needed, held)
    ]
    findings = lost or [good(one.subject, "is there, with all rights on it")]
    if isinstance(found, Subscription):
        findings = [*findings, *look_at_settings(found, names, dead=one.name.endswith(DEAD))]
    return _Seen(findings, found, there=True)


async def _held(one: _Asked, permissions: Sequence[str]) -> Sequence[str]:
    request = TestIamPermissionsRequest(resource=one.path, permissions=permissions)
    answer = await one.iam.test_iam_permissions(request, retry=None, timeout=CALL_SECONDS)
    return list(answer.permissions)


async def _forwarding(
    names: Names, clients: Clients, subscriptions: Sequence[Subscription]
) -> Sequence[Finding]:
    """Whether Pub/Sub itself may set messages aside where a policy asks it to; if not, it is silent."""
    if not any(one.dead_letter_policy.dead_letter_topic == names.dead_topic for one in subscriptions):
        return ()
    agent = (
        f'"serviceAccount:service-$(gcloud projects describe {names.project} '
        f"--format='value(projectNumber)'){_FORWARDER}\""
    )
    asked = (
        (clients.publisher.get(), names.dead_topic, "topics", names.name + DEAD, "roles/pubsub.publisher"),
        (
            clients.subscriber.get(),
            names.subscription,
            "subscriptions",
            names.name,
            "roles/pubsub.subscriber",
        ),
    )
    findings = []
    for client, path, kind, name, role in asked:
        try:
            policy = await client.get_iam_policy(
                GetIamPolicyRequest(resource=path), retry=None, timeout=CALL_SECONDS
            )
        except exceptions.GoogleAPICallError:
            continue  # who may see a policy is nobody of ours
        if not any(
            binding.role == role and any(member.endswith(_FORWARDER) for member in binding.members)
            for binding in policy.bindings
        ):
            fix = (
                f"gcloud pubsub {kind} add-iam-policy-binding {name} --project {names.project} "
                f"--role={role} --member={agent}"
            )
            text = f"Pub/Sub itself lacks {role} on it (unless on the project), to set dead letters aside"
            findings.append(warning(f"{kind[:-1]} {name}", text, fix))
    return findings


def _retention(names: Names, subscriptions: Sequence[Subscription]) -> tuple[float, float]:
    seconds = {one.name: one.message_retention_duration.total_seconds() for one in subscriptions}
    return (
        seconds.get(names.subscription) or RETENTION_SECONDS,
        seconds.get(names.dead_subscription) or DEAD_RETENTION_SECONDS,
    )
