"""Compares the webhooks with what should be, mends them, and sends itself a test event through each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.ingest.webhooks.address import PublicAddress
from services.ingest.webhooks.ensure import Did, Ensured
from services.ingest.webhooks.environment import WebhooksEnvironment
from services.ingest.webhooks.events import Event, all_events
from services.ingest.webhooks.probe import Heard, Prober
from services.ingest.webhooks.register import register
from services.ingest.webhooks.registration import RegistrationStore
from services.ingest.webhooks.remote import State, Webhook
from shared.clock import MICROSECONDS
from shared.errors import ConfigError

TRIED_SECONDS = 48 * 3600
"""Productive tries a delivery for this long before it switches the webhook off (documented): what was lost
is as much older than the switching off."""


@dataclass(frozen=True)
class Finding:
    """One event. `ensured.did` says what was wrong, `heard` what the test event came to (None: not sent).

    `failing`: by Productive's word deliveries failed lately, though the webhook is still on.
    """

    ensured: Ensured
    mended: bool
    failing: bool = False
    heard: Heard | None = None
    details: str = ""

    @property
    def right(self) -> bool:
        """Whether a change of such a record will arrive, as far as can be seen."""
        whole = self.ensured.did is Did.NOTHING or self.mended
        return whole and self.heard is Heard.ACCEPTED


@dataclass(frozen=True)
class Verified:
    """All registered events. `missed_since_us` is from when on something may have been missed.

    It is None when nothing was switched off; `missed` says whether anything was, or was missing.
    """

    address: PublicAddress
    findings: Sequence[Finding]
    elsewhere: Sequence[Webhook]
    missed: bool
    missed_since_us: int | None

    @property
    def right(self) -> bool:
        """Whether nothing is left broken."""
        return all(finding.right for finding in self.findings)


async def verify(
    env: WebhooksEnvironment,
    prober: Prober,
    address: PublicAddress | None = None,
    *,
    dry_run: bool = False,
) -> Verified:
    """Mend what is not as registered (`dry_run`: only tell), then knock at every event's URL.

    `address` is the right one where it is not the registered one; nothing is registered there unless the
    receiver answers. What Productive switched off is made anew, since it cannot be switched on. Raises what
    `register` raises, and `ConfigError` when nothing is registered or nobody answers at `address`.
    """
    registration = await RegistrationStore(env.objects, env.organization_id).required()
    events = [event for event in all_events(env.catalog) if event.id in registration.events]
    if address is not None and address != registration.address:
        await _try_address(env, prober, address, events)
    outcome = await register(env, address or registration.address, events, dry_run=dry_run)
    findings = [
        Finding(
            one,
            mended=one.did is not Did.NOTHING and not dry_run,
            failing=one.webhook is not None and one.webhook.state is State.FAILING,
        )
        for one in outcome.events
    ]
    missed = [one for one in outcome.events if one.did.made_one]
    return Verified(
        address=outcome.address,
        findings=await _knocked(prober, findings, outcome.address),
        elsewhere=outcome.elsewhere,
        missed=bool(missed),
        missed_since_us=_missed_since([webhook for one in missed for webhook in one.removed]),
    )


async def _try_address(
    env: WebhooksEnvironment, prober: Prober, address: PublicAddress, events: Sequence[Event]
) -> None:
    """A mistyped address must not take the place of one that works."""
    for event in events:
        for token in await env.tokens.tokens(event.id):
            heard, details = await prober.knock(event, address.target(event.id), token)
            if heard is not Heard.ACCEPTED:
                raise ConfigError(
                    f"the receiver does not answer at {address.base}: {heard} ({details})",
                    advice=f"Nothing was changed. {heard.advice}",
                )
            return


async def _knocked(prober: Prober, findings: Sequence[Finding], address: PublicAddress) -> list[Finding]:
    reachable = [
        (finding.ensured.event, address.target(finding.ensured.event.id), finding.ensured.token)
        for finding in findings
    ]
    heard = iter(await prober.knock_all([(e, url, token) for e, url, token in reachable if token]))
    found = []
    for finding in findings:
        if finding.ensured.token:
            answer, details = next(heard)
            found.append(replace(finding, heard=answer, details=details))
        else:
            found.append(finding)
    return found


def _missed_since(gone: Sequence[Webhook]) -> int | None:
    off = [webhook.off_us for webhook in gone if webhook.off_us is not None]
    return min(off) - TRIED_SECONDS * MICROSECONDS if off else None
