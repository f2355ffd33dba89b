"""One rule for register, verify and rotate: each event has one webhook that is on, and we hold its token.

It looks at what is, and does only what is missing; so whatever was interrupted is finished by the next run.
Tokens are kept before anything is deleted that would still do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from services.ingest.tokens import HeldToken
from services.ingest.webhooks.address import Place, PublicAddress
from services.ingest.webhooks.environment import WebhooksEnvironment
from services.ingest.webhooks.events import Event
from services.ingest.webhooks.remote import RemoteWebhooks, State, Webhook
from shared.secrets import Secret


class Did(StrEnum):
    """What it took to make an event right."""

    NOTHING = "right"
    CREATED = "was missing"
    RECREATED = "was switched off by Productive"
    ROTATED = "its token was to be replaced"
    TOKEN_READ = "its token was not held"  # noqa: S105 -- a phrase
    TOKEN_LOST = "its token could not be read"  # noqa: S105 -- a phrase

    @property
    def made_one(self) -> bool:
        """Whether there is a new webhook because of it."""
        return self not in {Did.NOTHING, Did.TOKEN_READ}


@dataclass(frozen=True, slots=True)
class Ensured:
    """One event's outcome. `webhook` is the one in use, None only when it was not made (dry run).

    `removed` are those of the same event and target that were one too many, or off.
    """

    event: Event
    did: Did
    webhook: Webhook | None
    token: Secret | None = None
    removed: tuple[Webhook, ...] = ()


class Ensurer:
    """Makes events right at one address, from one look at what there is. With `dry_run` it only tells."""

    def __init__(
        self,
        env: WebhooksEnvironment,
        remote: RemoteWebhooks,
        address: PublicAddress,
        existing: Sequence[Webhook],
        held: Sequence[HeldToken],
        *,
        dry_run: bool = False,
    ) -> None:
        self._env = env
        self._remote = remote
        self._address = address
        self._existing = existing
        self._held: Mapping[str, HeldToken] = {
            one.webhook_id: one for one in held if one.retired_until_us is None
        }
        self._dry_run = dry_run
        self._can_keep = False

    async def ensure(self, event: Event) -> Ensured:
        """One webhook for the event: the newest that is on and whose token is to be had, else a new one."""
        listed = self.at_target(event)
        ours = listed or await self._not_listed(event)
        for webhook in ours:
            if webhook.state is State.OFF:
                continue
            held = self._held.get(webhook.id)
            # A webhook's token never changes, so what is held is as good where the list does not show it.
            token = webhook.token or (held.token if held else None) or await self._remote.token(webhook)
            if token is not None:
                did = await self._hold(event, webhook, token)
                return await self._alone(Ensured(event, did, webhook, token), ours)
        return await self._alone(await self.create(event, _why(ours)), ours)

    async def create(self, event: Event, did: Did) -> Ensured:
        """A new webhook, whose token is kept before this returns."""
        if self._dry_run:
            return Ensured(event, did, None)
        if not self._can_keep:
            await self._env.tokens.ensure_writable()
            self._can_keep = True
        webhook, token = await self._remote.create(event, self._address.target(event.id))
        await self._env.tokens.add(event.id, webhook.id, token)
        return Ensured(event, did, webhook, token)

    async def _not_listed(self, event: Event) -> list[Webhook]:
        """The event's webhooks that we made, though the list lacks them: it may lag, or not show us all.

        Else each run would make another one.
        """
        listed = {webhook.id for webhook in self._existing}
        ids = [one.webhook_id for one in self._held.values() if one.event_id == event.id]
        found = [await self._remote.read(id_) for id_ in ids if id_ not in listed]
        return [webhook for webhook in found if webhook is not None and self._is_at_target(webhook, event)]

    def at_target(self, event: Event) -> list[Webhook]:
        """The event's webhooks at our address, the newest first."""
        return [webhook for webhook in reversed(self._existing) if self._is_at_target(webhook, event)]

    def _is_at_target(self, webhook: Webhook, event: Event) -> bool:
        return webhook.place == Place(self._address.base, event.id)

    async def remove(self, webhooks: Sequence[Webhook]) -> None:
        """Delete webhooks; their tokens count a while longer, for what Productive still tries to deliver."""
        if self._dry_run:
            return
        for webhook in webhooks:
            await self._remote.delete(webhook)
        await self._env.tokens.retire([webhook.id for webhook in webhooks])

    async def _alone(self, ensured: Ensured, ours: Sequence[Webhook]) -> Ensured:
        used = ensured.webhook.id if ensured.webhook else None
        others = tuple(webhook for webhook in ours if webhook.id != used)
        if others:
            await self.remove(others)
        return Ensured(ensured.event, ensured.did, ensured.webhook, ensured.token, others)

    async def _hold(self, event: Event, webhook: Webhook, token: Secret) -> Did:
        held = self._held.get(webhook.id)
        if held is not None and held.token == token and held.event_id == event.id:
            return Did.NOTHING
        if not self._dry_run:
            await self._env.tokens.add(event.id, webhook.id, token)
        return Did.TOKEN_READ


def _why(ours: Sequence[Webhook]) -> Did:
    """Why a new webhook is needed, when none of `ours` will do."""
    if not ours:
        return Did.CREATED
    return Did.RECREATED if all(webhook.state is State.OFF for webhook in ours) else Did.TOKEN_LOST
