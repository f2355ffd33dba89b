"""Registers webhooks: one per event at our address, none twice, the tokens kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from yarl import URL

from services.ingest.webhooks.address import PublicAddress, is_loopback
from services.ingest.webhooks.ensure import Ensured, Ensurer
from services.ingest.webhooks.environment import WebhooksEnvironment
from services.ingest.webhooks.events import Event
from services.ingest.webhooks.registration import Registration, RegistrationStore
from services.ingest.webhooks.remote import RemoteWebhooks, Webhook
from shared.errors import ConfigError
from shared.objects.lease import hold_lease

LEASE_FOR = "a change of this organization's webhooks"


@dataclass(frozen=True)
class Registered:
    """What registering came to.

    `elsewhere` are webhooks of our shape for the same events at other addresses: an older address of
    ours, or another installation. They were deleted when that was asked for (`replaced`).
    """

    address: PublicAddress
    events: Sequence[Ensured]
    elsewhere: Sequence[Webhook] = ()
    replaced: bool = False

    @property
    def created(self) -> int:
        """How many webhooks were made."""
        return sum(one.did.made_one for one in self.events)


async def register(
    env: WebhooksEnvironment,
    address: PublicAddress,
    events: Sequence[Event],
    *,
    replace: bool = False,
    dry_run: bool = False,
) -> Registered:
    """Make each of `events` right at `address`; a second run finds nothing to do.

    `replace` also deletes the webhooks of our shape for these events at other addresses. `BusyError` while
    another process changes webhooks, else what `RemoteWebhooks` and `TokenBook` raise: then the next run
    goes on where this one ended.
    """
    if address.is_of_this_machine and not is_loopback(URL(env.client.connection.api_url).host or ""):
        raise ConfigError(
            f"Productive cannot reach {address.base}, which is this machine's own address",
            advice="Give the address under which the receiver is reached from the internet.",
        )
    remote = RemoteWebhooks(env.client, env.catalog)
    async with hold_lease(env.objects, env.lease_name, env.clock, what=LEASE_FOR):
        existing = await remote.all()
        if not dry_run:
            await _note(env, address, events)
        held = await env.tokens.held()
        ensurer = Ensurer(env, remote, address, existing, held, dry_run=dry_run)
        ensured = [await ensurer.ensure(event) for event in events]
        wanted = {event.id for event in events}
        elsewhere = [
            webhook
            for webhook in existing
            if webhook.place is not None and webhook.place.base != address.base and webhook.event_id in wanted
        ]
        if replace:
            await ensurer.remove(elsewhere)
        if not dry_run:
            there = {webhook.id for webhook in existing}
            made = {one.webhook.id for one in ensured if one.webhook}
            in_use = [one.webhook_id for one in held if one.retired_until_us is None]
            await env.tokens.retire([id_ for id_ in in_use if id_ not in there | made])
    return Registered(address, ensured, elsewhere, replaced=replace and not dry_run)


async def _note(env: WebhooksEnvironment, address: PublicAddress, events: Sequence[Event]) -> None:
    """Write down what is to be, before it is: an interrupted run is then finished by `verify`, too."""
    store = RegistrationStore(env.objects, env.organization_id)
    before = await store.read()
    known = before.events if before is not None and before.base == address.base else ()
    ids = tuple(sorted({*known, *(event.id for event in events)}))
    if before is None or (before.base, before.events) != (address.base, ids):
        await store.write(Registration(address.base, ids))
