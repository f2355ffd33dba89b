"""The webhooks as Productive has them.

Documented: one event per webhook, no change of an existing one (there is no PATCH), the signature token
readable by GET. Seen by others: 403 with `webhooks_limit_exceeded` on a plan without webhooks, 403
without that code for a token that may only read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from urllib.parse import quote

from services.ingest.webhooks.address import Place, place_of
from services.ingest.webhooks.events import Event
from shared.catalog import Catalog
from shared.errors import ConfigError, CredentialsError, ProtocolError
from shared.productive import Found, Gone, ListQuery, ProductiveClient, Refused, Unavailable, walk
from shared.productive.jsonapi import identifier, integer
from shared.record.values import parse_timestamp
from shared.secrets import Secret

NO_WEBHOOKS: Final = "webhooks_limit_exceeded"
_WEBHOOK_TYPE = 1
_PLAN = (
    "Webhooks need Productive's Ultimate plan. Without them everything still works by scheduled crawls: "
    "`productive-ingest run --every MINUTES`."
)


class State(StrEnum):
    """How a webhook is, by Productive's `state_id` and `deactivated_at`, in words for people."""

    WORKING = "working"
    FAILING = "failing"
    WAITING = "waiting for its first delivery"
    OFF = "switched off"
    UNKNOWN = "unknown"


_STATES: Final = {1: State.WORKING, 2: State.FAILING, 3: State.WAITING}


@dataclass(frozen=True, slots=True)
class Webhook:
    """One webhook. `place` is None unless its target is of our shape; `off_us` is when it was switched off.

    `token` is None where Productive's answer did not hold it.
    """

    id: str
    event_id: int | None
    target_url: str
    state: State
    off_us: int | None = None
    token: Secret | None = None
    created_us: int | None = None

    @property
    def place(self) -> Place | None:
        """Its target taken apart, when it is one of ours: the path names the webhook's own event."""
        place = place_of(self.target_url)
        return place if place is not None and place.event_id == self.event_id else None

    @property
    def age(self) -> tuple[int, str]:
        """Orders webhooks from the oldest to the newest: ids grow."""
        return (int(self.id), "") if self.id.isdecimal() and self.id.isascii() else (-1, self.id)


class RemoteWebhooks:
    """Lists, makes and deletes webhooks. Besides what the client raises: `CredentialsError` where the
    plan or the token does not allow it, `ConfigError` where Productive does not take the target."""

    def __init__(self, client: ProductiveClient, catalog: Catalog) -> None:
        self._client = client
        self._table = catalog.table("webhooks")

    async def all(self) -> Sequence[Webhook]:
        """All webhooks of the organization, everybody's, the oldest first."""
        found: dict[str, Webhook] = {}
        async for step in walk(self._client, ListQuery.of(self._table, ["id"])):
            if isinstance(step, Unavailable):
                raise _refused(step, "list the webhooks")
            for resource in step.resources:
                webhook = _webhook(resource)
                if webhook is not None:
                    found[webhook.id] = webhook
        return sorted(found.values(), key=lambda webhook: webhook.age)

    async def token(self, webhook: Webhook) -> Secret | None:
        """The webhook's signature token; None when Productive does not give it."""
        if webhook.token is not None:
            return webhook.token
        read = await self.read(webhook.id)
        return read.token if read is not None else None

    async def read(self, webhook_id: str) -> Webhook | None:
        """One webhook; None when there is none with this id."""
        answer = await self._client.get(f"webhooks/{quote(webhook_id, safe='')}")
        if isinstance(answer, Unavailable):
            raise _refused(answer, "read a webhook")
        read = _webhook(answer.resource) if isinstance(answer, Found) else None
        return read if read is not None and read.id == webhook_id else None

    async def create(self, event: Event, target_url: str) -> tuple[Webhook, Secret]:
        """Make a webhook; with its token, without which it would be of no use."""
        attributes = {
            "name": f"productive-ingest {event.name}",
            "event_id": event.id,
            "target_url": target_url,
            "type_id": _WEBHOOK_TYPE,
        }
        answer = await self._client.post("webhooks", {"data": {"type": "webhooks", "attributes": attributes}})
        if isinstance(answer, Unavailable):
            raise _refused(answer, "make webhooks")
        if isinstance(answer, Refused):
            raise ConfigError(
                f"Productive does not take a webhook for {event.name} "
                f"(HTTP {answer.status}: {answer.detail})",
                advice="Check the address: Productive must be able to reach it, and may refuse some.",
            )
        webhook = _webhook(answer.resource) if isinstance(answer, Found) else None
        token = await self.token(webhook) if webhook else None
        if webhook is None or token is None:
            raise ProtocolError(
                f"Productive made a webhook for {event.name}, but does not tell its signature token",
                advice="Run the same command again; if it stays so, report this.",
            )
        return webhook, token

    async def delete(self, webhook: Webhook) -> None:
        """Delete a webhook; well, too, when it is gone already."""
        answer = await self._client.delete(f"webhooks/{quote(webhook.id, safe='')}")
        if isinstance(answer, Unavailable):
            raise _refused(answer, "delete webhooks")
        if not isinstance(answer, Gone | Found):
            raise ProtocolError(f"Productive does not say that the webhook {webhook.id} is deleted")


def _refused(answer: Unavailable, what: str) -> CredentialsError | ProtocolError:
    if answer.code == NO_WEBHOOKS or answer.status == 402:
        return CredentialsError(
            f"the organization's plan does not let us {what} (HTTP {answer.status}: {answer.reason})",
            advice=_PLAN,
        )
    if answer.status == 403:
        return CredentialsError(
            f"the API token may not {what} (HTTP 403: {answer.reason})",
            advice="Use a token that may write, of a person who is an administrator: Productive makes it "
            "under Settings → API integrations. The crawl itself needs no more than reading.",
        )
    return ProtocolError(
        f"Productive does not let us {what} (HTTP {answer.status}: {answer.reason})",
        advice="Check the API's address in the configuration.",
    )


def _webhook(resource: Any) -> Webhook | None:
    """A webhook from an answer; None for what has no id."""
    id_ = identifier(resource)
    if id_ is None:
        return None
    attributes = resource.get("attributes")
    if not isinstance(attributes, dict):
        attributes = {}
    off_us = parse_timestamp(attributes.get("deactivated_at"))
    is_off = attributes.get("deactivated_at") is not None or attributes.get("active") is False
    state = _STATES.get(integer(attributes.get("state_id")) or 0, State.UNKNOWN)
    target, created_us = attributes.get("target_url"), parse_timestamp(attributes.get("created_at"))
    return Webhook(
        id=id_,
        event_id=integer(attributes.get("event_id")),
        target_url=target if isinstance(target, str) else "",
        state=State.OFF if is_off else state,
        off_us=off_us if isinstance(off_us, int) else None,
        token=_token(attributes.get("signature_token")),
        created_us=created_us if isinstance(created_us, int) else None,
    )


def _token(value: Any) -> Secret | None:
    """A signature token (a UUID, documented); None for what cannot be kept or sent as one."""
    good = isinstance(value, str) and 8 <= len(value) <= 500 and value.isascii() and value.isprintable()
    return Secret(value) if good else None
