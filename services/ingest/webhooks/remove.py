"""Deletes our webhooks, and nobody else's."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from services.ingest.webhooks.environment import WebhooksEnvironment
from services.ingest.webhooks.events import Event
from services.ingest.webhooks.register import LEASE_FOR
from services.ingest.webhooks.registration import Registration, RegistrationStore
from services.ingest.webhooks.remote import RemoteWebhooks, Webhook
from shared.objects.lease import hold_lease


@dataclass(frozen=True)
class Removed:
    """`removed` were deleted (or would be, in a dry run); `left` are of our shape, but at other addresses."""

    removed: Sequence[Webhook]
    left: Sequence[Webhook]


async def remove(
    env: WebhooksEnvironment,
    events: Collection[Event] | None = None,
    *,
    everywhere: bool = False,
    dry_run: bool = False,
) -> Removed:
    """Delete the webhooks at the registered address and those whose tokens we hold; all events when None.

    `everywhere` also deletes those of our shape at other addresses, which may serve another installation.
    Their tokens count a while longer. Raises what `register` raises.
    """
    wanted = None if events is None else {event.id for event in events}
    async with hold_lease(env.objects, env.lease_name, env.clock, what=LEASE_FOR):
        store = RegistrationStore(env.objects, env.organization_id)
        registration = await store.read()
        known = {one.webhook_id for one in await env.tokens.held()}
        remote = RemoteWebhooks(env.client, env.catalog)
        shaped = [
            webhook
            for webhook in await remote.all()
            if webhook.place is not None and (wanted is None or webhook.event_id in wanted)
        ]
        ours = [w for w in shaped if everywhere or w.id in known or _is_at(registration, w)]
        if not dry_run:
            if ours:
                await env.tokens.ensure_writable()
            for webhook in ours:
                await remote.delete(webhook)
            await env.tokens.retire([webhook.id for webhook in ours])
            await _note(store, registration, wanted)
    return Removed(ours, [webhook for webhook in shaped if webhook not in ours])


def _is_at(registration: Registration | None, webhook: Webhook) -> bool:
    place = webhook.place
    return registration is not None and place is not None and place.base == registration.base


async def _note(
    store: RegistrationStore, registration: Registration | None, wanted: Collection[int] | None
) -> None:
    if registration is None:
        return
    left = tuple(id_ for id_ in registration.events if wanted is not None and id_ not in wanted)
    if left:
        await store.write(Registration(registration.base, left))
    else:
        await store.forget()
