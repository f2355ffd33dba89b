"""Who listens to what, and how well that goes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from services.sandbox.organization import Change, Organization
from services.sandbox.webhooks.settings import WebhookSettings
from services.sandbox.webhooks.states import ISSUES, WORKING
from services.sandbox.zone import stamp

_TABLE = "webhooks"


@dataclass
class Registration:
    """An active webhook."""

    id: str
    event_id: int
    url: str
    token: str = field(repr=False)
    custom_headers: dict[str, str] = field(repr=False)
    state_id: int
    failures: int = 0
    """In a row, over all its deliveries."""


class Registrations:
    """The active webhooks of the organization's table, whoever changes it."""

    def __init__(self, organization: Organization, settings: WebhookSettings) -> None:
        self._organization = organization
        self._settings = settings
        self._active: dict[str, Registration] = {}
        for resource in organization.resources(_TABLE):
            self._keep(resource)
        organization.subscribe(self._follow)

    def listening(self, event_id: int) -> Iterable[Registration]:
        """The webhooks that an event is sent to; one may be removed while they are looked at."""
        return [one for one in self._active.values() if one.event_id == event_id]

    def get(self, identifier: str) -> Registration | None:
        """An active webhook as it is now; None when it has been removed or switched off."""
        return self._active.get(identifier)

    def worked(self, one: Registration) -> None:
        """An attempt went well."""
        one.failures = 0
        if one.state_id != WORKING and one.id in self._active:
            self._organization.put(_TABLE, one.id, attributes={"state_id": WORKING, "retry_attempts": None})

    def failed(self, one: Registration) -> None:
        """An attempt failed: the webhook may have issues now, or be switched off."""
        one.failures += 1
        if one.id not in self._active:
            return
        changed: dict[str, Any] = {}
        if one.failures >= self._settings.issues_after and one.state_id != ISSUES:
            changed = {"state_id": ISSUES}
        if one.failures >= self._settings.deactivate_after:
            at = stamp(self._organization.now_us())
            changed = {"state_id": ISSUES, "active": False, "deactivated_at": at}
        if changed:
            self._organization.put(_TABLE, one.id, attributes={**changed, "retry_attempts": one.failures})

    def _follow(self, change: Change) -> None:
        if change.table != _TABLE:
            return
        if change.after is None:
            self._active.pop(change.id, None)
        else:
            self._keep(change.after)

    def _keep(self, resource: dict[str, Any]) -> None:
        attributes, identifier = resource["attributes"], resource["id"]
        if not attributes["active"] or attributes["deactivated_at"] is not None:
            self._active.pop(identifier, None)
            return
        event_id, url, token = (attributes[name] for name in ("event_id", "target_url", "signature_token"))
        headers = {
            name: str(value)
            for name, value in (attributes["custom_headers"] or {}).items()
            if isinstance(value, str | int | float)
        }
        known = self._active.get(identifier)
        if known is None:
            self._active[identifier] = Registration(
                identifier, event_id, url, token, headers, attributes["state_id"]
            )
        else:
            known.event_id, known.url, known.token = event_id, url, token
            known.custom_headers, known.state_id = headers, attributes["state_id"]
