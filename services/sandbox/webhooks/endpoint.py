"""Registering webhooks and removing them, which is all that the API lets one do: it has no PATCH."""

from __future__ import annotations

import hashlib
import itertools
import uuid
from typing import Any
from urllib.parse import urlsplit

import msgspec

from services.sandbox import problems
from services.sandbox.organization import Organization
from services.sandbox.webhooks.states import WAITING, WEBHOOK, ZAPIER

_MAX_EVENT = 35  # the documented list of numbers runs this far, with labels for 33 of them


class WebhookEndpoint:
    """Writes to the table of webhooks. Signature tokens follow from the seed and are never given twice."""

    def __init__(self, organization: Organization, *, seed: int) -> None:
        self._organization = organization
        self._seed = seed
        self._numbers = itertools.count(1)

    def create(self, body: bytes) -> str:
        """Register what the body asks for; returns the new id. Raises the 422 of a body that is no good."""
        attributes = _attributes(body)
        wrong: dict[str, str] = {}
        event_id = _whole(attributes.get("event_id"))
        if attributes.get("event_id") is None:
            wrong["event_id"] = "can't be blank"
        elif event_id is None or not 1 <= event_id <= _MAX_EVENT:
            wrong["event_id"] = "is not included in the list"
        target = attributes.get("target_url")
        if not target:
            wrong["target_url"] = "can't be blank"
        elif not _is_url(target):
            wrong["target_url"] = "is invalid"
        # Documented as required, but seen by others to work without.
        type_id = _whole(attributes.get("type_id", WEBHOOK))
        if type_id not in (WEBHOOK, ZAPIER):
            wrong["type_id"] = "is not included in the list"
        name, headers = attributes.get("name"), attributes.get("custom_headers")
        if not isinstance(name, str | None):
            wrong["name"] = "is invalid"
        if not isinstance(headers, dict | None):
            wrong["custom_headers"] = "is invalid"
        if wrong:
            raise problems.invalid_body(
                {f"data/attributes/{field}": f"{field} {text}" for field, text in wrong.items()}
            )
        return self._organization.put(
            "webhooks",
            attributes={
                "active": True,
                "custom_headers": headers,
                "event_id": event_id,
                "name": name,
                "signature_token": self._token(),
                "state_id": WAITING,
                "target_url": target,
                "test": False,
                "type_id": type_id,
                "url": target,
            },
            relationships={"creator": self._organization.caller.id},
        )

    def delete(self, identifier: str) -> None:
        """Remove a webhook; raises the 404 when there is none."""
        if not (identifier.isascii() and identifier.isdigit() and len(identifier) < 19):
            raise problems.record_not_found("webhooks", identifier)
        try:
            self._organization.remove("webhooks", identifier)
        except KeyError:
            raise problems.record_not_found("webhooks", identifier) from None

    def _token(self) -> str:
        digest = hashlib.sha256(f"webhook {self._seed} {next(self._numbers)}".encode()).digest()
        return str(uuid.UUID(bytes=digest[:16], version=4))


def _attributes(body: bytes) -> dict[str, Any]:
    try:
        document = msgspec.json.decode(body)
    except msgspec.DecodeError:
        document = None
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, dict):
        raise problems.invalid_body({"data": "data can't be blank"})
    if data.get("type") != "webhooks":
        raise problems.invalid_body({"data/type": "type has to be webhooks"})
    attributes = data.get("attributes")
    return attributes if isinstance(attributes, dict) else {}


def _whole(value: Any) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        return int(value)
    return None


def _is_url(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)
