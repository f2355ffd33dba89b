"""The webhooks with what is known about them here and in Productive's log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.ingest.webhooks.address import Place
from services.ingest.webhooks.environment import WebhooksEnvironment
from services.ingest.webhooks.events import all_events
from services.ingest.webhooks.logs import Try, tries
from services.ingest.webhooks.remote import RemoteWebhooks, Webhook
from services.ingest.webhooks.verify import TRIED_SECONDS
from shared.clock import MICROSECONDS
from shared.errors import ProtocolError
from shared.productive import Unavailable


@dataclass(frozen=True, slots=True)
class Listed:
    """One webhook of our shape: its event's name, whether we hold its token, since when, the last failure."""

    webhook: Webhook
    event: str
    held: bool
    since_us: int | None
    last_failure: Try | None


@dataclass(frozen=True, slots=True)
class Listing:
    """Ours by event, and how many there are of others."""

    ours: Sequence[Listed]
    others: int


async def list_webhooks(env: WebhooksEnvironment) -> Listing:
    """What there is; only reads. Failures are those of the last two days, as far as the log is to be had."""
    webhooks = await RemoteWebhooks(env.client, env.catalog).all()
    names = {event.id: event.name for event in all_events(env.catalog)}
    held = {one.webhook_id: one for one in await env.tokens.held() if one.retired_until_us is None}
    failures = await _failures(env) if any(webhook.place for webhook in webhooks) else {}
    ours = [
        Listed(
            webhook=webhook,
            event=names.get(webhook.place.event_id, str(webhook.place.event_id)),
            held=webhook.id in held,
            since_us=held[webhook.id].since_us if webhook.id in held else None,
            last_failure=failures.get(webhook.place),
        )
        for webhook in webhooks
        if webhook.place is not None
    ]
    return Listing(sorted(ours, key=lambda one: (one.event, one.webhook.age)), len(webhooks) - len(ours))


async def _failures(env: WebhooksEnvironment) -> dict[Place, Try]:
    since_us = env.client.server_clock.now_us() - TRIED_SECONDS * MICROSECONDS
    found: dict[Place, Try] = {}
    try:
        async for one in tries(env.client, env.catalog, since_us):
            if isinstance(one, Unavailable):
                break
            before = found.get(one.place)
            if not one.delivered and (before is None or before.sent_us <= one.sent_us):
                found[one.place] = one
    except ProtocolError:
        return found
    return found
