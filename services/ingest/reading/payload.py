"""A delivery's body as far as it can be understood.

The shape is that of the one delivery that was seen by others (`event`, `item_type`, `item_id`, `created`,
and `object` with a JSON:API document in it). Nothing but an id is required: what a deletion's or an
archival's body holds is not known, and `object` may be missing there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from shared.productive.jsonapi import UnreadableError, parse
from shared.record.values import parse_timestamp

TEST_EVENT: Final = "productive_ingest_test"
"""The `event` of the deliveries with which this project tests its own webhooks; they tell nothing."""

_ID: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}")


@dataclass(frozen=True, slots=True)
class Payload:
    """What a body says: the item that something happened to, and when.

    `created_us` is the event's time in microseconds since 1970 UTC, None when it has none that can be
    read. `resource` is the item as it came, a JSON:API resource, None when there is none. `item_type` and
    `event` are empty when missing.
    """

    event: str
    item_type: str
    item_id: str
    created_us: int | None
    resource: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class OurTest:
    """The body of a test delivery of our own."""


@dataclass(frozen=True, slots=True)
class Senseless:
    """A body that tells of no item, and why, as a phrase for people."""

    reason: str


def read_payload(body: bytes) -> Payload | OurTest | Senseless:
    """The body's meaning. Numbers keep every digit, as those of the API's answers do."""
    try:
        document = parse(body)
    except UnreadableError as error:
        return Senseless(str(error))
    if not isinstance(document, dict):
        return Senseless("the body is JSON, but no object")
    event = _text(document.get("event"))
    if event == TEST_EVENT:
        return OurTest()
    resource = _resource(document)
    raw_id = document.get("item_id")
    if raw_id is None and resource is not None:
        raw_id = resource.get("id")
    item_id = _id(raw_id)
    if item_id is None:
        said = "no id of an item" if raw_id is None else "an id that no item has"
        return Senseless(f"the body holds {said}")
    created = parse_timestamp(document.get("created"))
    item_type = _text(document.get("item_type")) or _text((resource or {}).get("type"))
    return Payload(event, item_type, item_id, created if isinstance(created, int) else None, resource)


def _resource(document: dict[str, Any]) -> dict[str, Any] | None:
    nested = document.get("object")
    resource = nested.get("data") if isinstance(nested, dict) else None
    return resource if isinstance(resource, dict) else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _id(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text = str(value).strip()
    return text if _ID.fullmatch(text) else None
