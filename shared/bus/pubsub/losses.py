"""How a subscription may be set up so that messages are lost, or never come; each with its remedy.

What the settings mean is from the documentation of Pub/Sub's `Subscription`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from google.pubsub_v1.types import Subscription

from shared.bus.pubsub.names import Names
from shared.bus.pubsub.provisioning import (
    DEAD_RETENTION_SECONDS,
    FIRST_BACKOFF_SECONDS,
    LONGEST_BACKOFF_SECONDS,
    MAX_DELIVERY_ATTEMPTS,
    RETENTION_SECONDS,
)
from shared.google.commands import create_subscription, update_subscription
from shared.google.findings import Finding, problem, warning
from shared.room import duration

_GONE: Final = "_deleted-topic_"
_DEFAULT_ATTEMPTS: Final = 5
_DEFAULT_EXPIRATION_SECONDS: Final = 31 * 86_400.0


def look_at_settings(subscription: Subscription, names: Names, *, dead: bool) -> Iterator[Finding]:
    """What is wrong with the subscription of a bus, or with that of its dead letters."""
    name = subscription.name.rpartition("/")[2]
    subject = f"subscription {name}"
    yield from _reachable(subscription, names, subject, dead=dead)
    retention = subscription.message_retention_duration.total_seconds() or RETENTION_SECONDS
    wanted = DEAD_RETENTION_SECONDS if dead else RETENTION_SECONDS
    if retention < wanted:
        text = f"messages that nobody takes are lost after {duration(retention)}"
        flag = f"--message-retention-duration={wanted // 86_400}d"
        yield warning(subject, text, update_subscription(names.project, name, flag))
    if "expiration_policy" not in subscription or subscription.expiration_policy.ttl:
        # Without a policy, Pub/Sub's own of 31 days holds.
        after = subscription.expiration_policy.ttl.total_seconds() or _DEFAULT_EXPIRATION_SECONDS
        text = f"is deleted with all its messages when nobody reads it for {duration(after)}"
        yield warning(subject, text, update_subscription(names.project, name, "--expiration-period=never"))
    if not dead:
        yield from _dead_letters(subscription, names, subject)


def _reachable(subscription: Subscription, names: Names, subject: str, *, dead: bool) -> Iterator[Finding]:
    """What is wrong with where its messages come from and go to; neither topic nor filter can be changed."""
    name = subscription.name.rpartition("/")[2]
    topic, short = (names.dead_topic, f"{names.name}-dead") if dead else (names.topic, names.name)
    anew = f"gcloud pubsub subscriptions delete {name} --project {names.project} && " + create_subscription(
        names.project, name, short
    )
    if subscription.topic == _GONE:
        yield problem(subject, "its topic was deleted, so that nothing that is published reaches it", anew)
    elif subscription.topic != topic:
        yield problem(subject, f"belongs to {subscription.topic} and not to {topic}", anew)
    if subscription.detached:
        yield problem(subject, "is detached from its topic: nothing that is published reaches it", anew)
    if subscription.filter:
        text = f"has a filter ({subscription.filter}): messages that do not match are lost without a word"
        yield problem(subject, text, anew)
    if subscription.push_config.push_endpoint:
        text = "pushes its messages elsewhere, and cannot be read from"
        yield problem(subject, text, update_subscription(names.project, name, "--push-endpoint="))
    if subscription.bigquery_config.table or subscription.cloud_storage_config.bucket:
        yield problem(subject, "writes its messages elsewhere, and cannot be read from", anew)


def _dead_letters(subscription: Subscription, names: Names, subject: str) -> Iterator[Finding]:
    name = subscription.name.rpartition("/")[2]
    policy = subscription.dead_letter_policy
    flags = (f"--dead-letter-topic={names.name}-dead", f"--max-delivery-attempts={MAX_DELIVERY_ATTEMPTS}")
    fix = update_subscription(names.project, name, *flags)
    if not policy.dead_letter_topic:
        text = (
            "has no dead letter policy: a message that ends its reader comes back for ever, as nobody counts"
        )
        yield warning(subject, text, fix)
    elif policy.dead_letter_topic != names.dead_topic:
        text = f"its dead letters go to {policy.dead_letter_topic}, where `deadletters` does not look"
        yield warning(subject, text, fix)
    elif policy.max_delivery_attempts < MAX_DELIVERY_ATTEMPTS:
        attempts = policy.max_delivery_attempts or _DEFAULT_ATTEMPTS
        text = f"sets messages aside after {attempts} tries: while the warehouse is away, all of them"
        yield warning(subject, text, fix)
    if "retry_policy" not in subscription:
        text = "has no retry policy: what fails comes back at once, and its tries are soon used up"
        delays = (
            f"--min-retry-delay={FIRST_BACKOFF_SECONDS}s",
            f"--max-retry-delay={LONGEST_BACKOFF_SECONDS}s",
        )
        yield warning(subject, text, update_subscription(names.project, name, *delays))
