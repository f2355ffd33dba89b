"""Makes the topic, the subscription and the dead letters' pair where they are missing.

What is there stays as it is: whoever made it, Terraform perhaps, would change it back. Most service accounts
may neither look nor make (`pubsub.topics.get` is in no role that only publishes or reads); then everything is
taken to be there, and the first call that needs it tells.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from google.api_core import exceptions
from google.protobuf.duration_pb2 import Duration
from google.pubsub_v1.types import DeadLetterPolicy, ExpirationPolicy, RetryPolicy, Subscription, Topic

from shared.bus.limits import BusSettings
from shared.bus.pubsub.acking import lease_seconds_of
from shared.bus.pubsub.calls import REFUSALS, Calls
from shared.bus.pubsub.names import Names
from shared.errors import StorageError

log = logging.getLogger(__name__)

_DAY = 86_400
RETENTION_SECONDS = 7 * _DAY
DEAD_RETENTION_SECONDS = 31 * _DAY
SHORT_RETENTION_SECONDS = _DAY

MAX_DELIVERY_ATTEMPTS = 100
"""The most that Pub/Sub allows. With the back-off below, the seven deliveries before it has grown to ten
minutes take 20 minutes and the other 92 take 15 hours: a warehouse that is away for a night empties nothing
into the dead letters, and a message that ends its reader each time does not live for ever."""

FIRST_BACKOFF_SECONDS = 10
LONGEST_BACKOFF_SECONDS = 600


@dataclass(frozen=True, slots=True)
class _Part:
    """A topic or a subscription, by its full name, and how to look for it and make it."""

    name: str
    calls: Calls[Any]
    get: Callable[[Any, float], Awaitable[None]]
    create: Callable[[Any, float], Awaitable[None]]


class Provisioning:
    """Looks after the topics and subscriptions of one bus, once."""

    def __init__(
        self, names: Names, publisher: Calls[Any], subscriber: Calls[Any], settings: BusSettings
    ) -> None:
        self._names = names
        self._publisher = publisher
        self._subscriber = subscriber
        self._settings = settings

    async def run(self) -> None:
        """`StorageError` when something is missing and may not be made, or cannot be read from.

        The dead letters' pair is made first: no message may be forwarded to a topic that nobody keeps.
        """
        parts = (
            self._topic(self._names.dead_topic),
            self._subscription(self._dead_subscription()),
            self._topic(self._names.topic),
            self._subscription(self._new_subscription()),
        )
        are_there = await asyncio.gather(*(self._is_there(part) for part in parts))
        for part, is_there in zip(parts, are_there, strict=True):
            if not is_there:
                await self._make(part)

    def _topic(self, topic: str) -> _Part:
        async def get(client: Any, seconds: float) -> None:
            await client.get_topic(topic=topic, retry=None, timeout=seconds)

        async def create(client: Any, seconds: float) -> None:
            await client.create_topic(request=Topic(name=topic), retry=None, timeout=seconds)

        return _Part(topic, self._publisher, get, create)

    def _subscription(self, wanted: Subscription) -> _Part:
        async def get(client: Any, seconds: float) -> None:
            name = wanted.name
            self._check(await client.get_subscription(subscription=name, retry=None, timeout=seconds), wanted)

        async def create(client: Any, seconds: float) -> None:
            try:
                await client.create_subscription(request=wanted, retry=None, timeout=seconds)
            except exceptions.InvalidArgument:
                if wanted.message_retention_duration.total_seconds() <= RETENTION_SECONDS:
                    raise
                # Google's emulator takes no more than 7 days (seen), and does without what it does not know.
                wanted.message_retention_duration = Duration(seconds=RETENTION_SECONDS)
                await client.create_subscription(request=wanted, retry=None, timeout=seconds)

        return _Part(wanted.name, self._subscriber, get, create)

    async def _is_there(self, part: _Part) -> bool:
        """Whether it is there, or we may not know."""
        try:
            await part.calls.make(part.get)
        except StorageError as error:
            if isinstance(error.__cause__, exceptions.NotFound):
                return False
            if not isinstance(error.__cause__, exceptions.Forbidden):
                raise
        return True

    async def _make(self, part: _Part) -> None:
        try:
            await part.calls.make(part.create)
        except REFUSALS as error:
            raise part.calls.in_our_words(error) from error
        except StorageError as error:
            if isinstance(error.__cause__, exceptions.Conflict):
                return  # somebody else made it at the same time
            if isinstance(error.__cause__, exceptions.Forbidden):
                raise self._missing(part.name) from error
            raise
        log.info("made %s", part.name)

    def _missing(self, name: str) -> StorageError:
        kind, short = name.split("/")[2:]
        command = f"gcloud pubsub {kind} create {short} --project {self._names.project}"
        if kind == "subscriptions":
            command += f" --topic {short} --expiration-period never"
        return StorageError(
            f"the {kind[:-1]} {short} of the bus does not exist, and this account may not make it",
            advice=f"`{command}`, or Terraform's google_pubsub_{kind[:-1]}; docs/pubsub.md has the settings.",
        )

    def _check(self, found: Subscription, wanted: Subscription) -> None:
        name = found.name.rpartition("/")[2]
        if found.topic != wanted.topic:
            raise StorageError(
                f"the subscription {name} belongs to {found.topic}, not to {wanted.topic}",
                advice=f"Delete it (`gcloud pubsub subscriptions delete {name} --project "
                f"{self._names.project}`) and start again: it is made anew.",
            )
        update = f"`gcloud pubsub subscriptions update {name} --project {self._names.project}"
        if "expiration_policy" not in found or found.expiration_policy.ttl:
            log.warning(
                "the subscription %s is deleted with all its messages when nobody reads it for long; "
                "change that: %s --expiration-period never`",
                name,
                update,
            )
        retention = found.message_retention_duration.total_seconds()
        if 0 < retention < SHORT_RETENTION_SECONDS:
            log.warning(
                "the subscription %s loses messages that wait for %d s; change that: "
                "%s --message-retention-duration 7d`",
                name,
                retention,
                update,
            )

    def _new_subscription(self) -> Subscription:
        return Subscription(
            name=self._names.subscription,
            topic=self._names.topic,
            ack_deadline_seconds=lease_seconds_of(self._settings),
            message_retention_duration=Duration(seconds=RETENTION_SECONDS),
            expiration_policy=ExpirationPolicy(),  # without a time to live: never
            retry_policy=RetryPolicy(
                minimum_backoff=Duration(seconds=FIRST_BACKOFF_SECONDS),
                maximum_backoff=Duration(seconds=LONGEST_BACKOFF_SECONDS),
            ),
            dead_letter_policy=DeadLetterPolicy(
                dead_letter_topic=self._names.dead_topic, max_delivery_attempts=MAX_DELIVERY_ATTEMPTS
            ),
        )

    def _dead_subscription(self) -> Subscription:
        return Subscription(
            name=self._names.dead_subscription,
            topic=self._names.dead_topic,
            ack_deadline_seconds=lease_seconds_of(self._settings),
            message_retention_duration=Duration(seconds=DEAD_RETENTION_SECONDS),
            expiration_policy=ExpirationPolicy(),
        )
