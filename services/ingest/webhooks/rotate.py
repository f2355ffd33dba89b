"""Replaces every webhook by a new one with a new token, without a moment in which nothing is delivered."""

from __future__ import annotations

from dataclasses import replace

from services.ingest.tokens import GRACE_SECONDS, REREAD_SECONDS
from services.ingest.webhooks.ensure import Did, Ensurer
from services.ingest.webhooks.environment import WebhooksEnvironment
from services.ingest.webhooks.events import all_events
from services.ingest.webhooks.register import LEASE_FOR, Registered
from services.ingest.webhooks.registration import RegistrationStore
from services.ingest.webhooks.remote import RemoteWebhooks
from shared.objects.lease import hold_lease


async def rotate(env: WebhooksEnvironment, *, grace_seconds: float = GRACE_SECONDS) -> Registered:
    """New webhooks for all registered events, then the old ones deleted.

    Their tokens count for `grace_seconds` more. While both exist an event comes twice, which is harmless.
    Interrupted anywhere, each event has at least one webhook whose token is held or can be read; `verify`,
    `register` and `rotate` leave exactly one. `ConfigError` when nothing is registered, else as `register`.
    """
    async with hold_lease(env.objects, env.lease_name, env.clock, what=LEASE_FOR):
        registration = await RegistrationStore(env.objects, env.organization_id).required()
        remote = RemoteWebhooks(env.client, env.catalog)
        held = await env.tokens.held()
        ensurer = Ensurer(env, remote, registration.address, await remote.all(), held)
        events = [event for event in all_events(env.catalog) if event.id in registration.events]
        made = [await ensurer.create(event, Did.ROTATED) for event in events]
        # A receiver in another process reads the tokens again at most this often.
        await env.clock.sleep(REREAD_SECONDS)
        done = []
        for one in made:
            old = ensurer.at_target(one.event)
            for webhook in old:
                await remote.delete(webhook)
            done.append(replace(one, removed=tuple(old)))
        # Those of earlier rotations, too: a token that has leaked must not count for longer than was said.
        gone = [one.webhook_id for one in held if one.retired_until_us is not None]
        gone += [webhook.id for one in done for webhook in one.removed]
        await env.tokens.retire(gone, grace_seconds=grace_seconds)
    return Registered(registration.address, done)
