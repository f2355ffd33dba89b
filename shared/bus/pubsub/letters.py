"""A dead letter as a message on the dead letters' topic, and back.

The message is as it was, with a few attributes more; it reads the same in Google's console. What would not
fit that way (too many attributes, texts that Pub/Sub does not take, too many bytes) is packed: attributes and
body together, compressed, as the body. Pub/Sub's own dead letter policy forwards to the same topic, and adds
attributes whose names begin with `CloudPubSubDeadLetterSource` (documented).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import zstandard

from shared.bus.limits import (
    MAX_ATTRIBUTES,
    MAX_KEY_BYTES,
    MAX_MESSAGE_BYTES,
    MAX_REASON_CHARACTERS,
    MAX_VALUE_BYTES,
)
from shared.bus.port import DeadLetter, Message

REASON = "dead-reason"
ATTEMPTS = "dead-attempts"
DIED = "dead-us"
PACKED = "dead-packed"
OURS = frozenset({REASON, ATTEMPTS, DIED, PACKED})

_FORWARDED = "CloudPubSubDeadLetterSource"
_DELIVERIES = "CloudPubSubDeadLetterSourceDeliveryCount"
_WITHOUT_KEYS = 4_096
"""Bytes that the attributes of ours, with all that a request has beside the body, need at the most."""

_MOST_UNPACKED = 64 << 20
_UNREADABLE = "Its attributes cannot be read: "


@dataclass(frozen=True, slots=True)
class Death:
    """Why, after how many deliveries, and when (wall-clock microseconds)."""

    reason: str
    attempts: int
    died_us: int


def encode(message: Message, death: Death) -> Message:
    """The message to publish; takes everything, and keeps as much of it as Pub/Sub takes at all."""
    if _fits(message):
        return Message(message.body, {**message.attributes, **_ours(death)})
    packed = zstandard.compress(_pack(message.attributes, message.body))
    if len(packed) <= MAX_MESSAGE_BYTES - _WITHOUT_KEYS:
        return Message(packed, {**_ours(death), PACKED: "zstd"})
    # More than Pub/Sub takes, however small it is made: what it was, and how it began.
    kept = message.body[: (MAX_MESSAGE_BYTES - _WITHOUT_KEYS) // 2]
    reason = f"(only the first {len(kept):,} of {len(message.body):,} bytes fitted) {death.reason}"
    packed = zstandard.compress(_pack({}, kept))
    return Message(packed, {**_ours(Death(reason, death.attempts, death.died_us)), PACKED: "zstd"})


def decode(id_: str, message: Message, *, published_us: int) -> DeadLetter:
    """What was encoded, or what Pub/Sub has forwarded; something else is shown as it is."""
    attributes = message.attributes
    if REASON not in attributes:
        return _forwarded(id_, message, published_us)
    reason, body = attributes[REASON], message.body
    plain: Mapping[str, str] = {key: value for key, value in attributes.items() if key not in OURS}
    if PACKED in attributes:
        try:
            plain, body = _unpack(body)
        except (zstandard.ZstdError, ValueError, TypeError, RecursionError) as error:
            plain, reason = {}, f"{_UNREADABLE}{error}. {reason}"
    return DeadLetter(
        id=id_,
        message=Message(body, plain),
        reason=reason,
        attempts=_number(attributes.get(ATTEMPTS), 0),
        died_us=_number(attributes.get(DIED), published_us),
    )


def _forwarded(id_: str, message: Message, published_us: int) -> DeadLetter:
    attempts = _number(message.attributes.get(_DELIVERIES), 0)
    plain = {key: value for key, value in message.attributes.items() if not key.startswith(_FORWARDED)}
    if attempts:
        reason = (
            f"Pub/Sub gave it up after {attempts} deliveries, none of which was acked: whatever read it was "
            "ended each time, or the warehouse did not answer for very long"
        )
    else:
        reason = "it was published to the topic of the dead letters by somebody else"
    return DeadLetter(id_, Message(message.body, plain), reason, attempts, published_us)


def _ours(death: Death) -> dict[str, str]:
    return {
        REASON: _cut(death.reason[:MAX_REASON_CHARACTERS]) or "-",
        ATTEMPTS: str(death.attempts),
        DIED: str(death.died_us),
    }


def _cut(text: str) -> str:
    """The text as UTF-8 that fits an attribute, with a sign where it was cut."""
    whole = text.encode(errors="replace")
    if len(whole) <= MAX_VALUE_BYTES:
        return whole.decode()
    return whole[: MAX_VALUE_BYTES - 3].decode(errors="ignore") + "…"


def _fits(message: Message) -> bool:
    if len(message.attributes) > MAX_ATTRIBUTES - len(OURS) or not OURS.isdisjoint(message.attributes):
        return False
    total = len(message.body) + _WITHOUT_KEYS
    for key, value in message.attributes.items():
        try:
            name, text = len(key.encode()), len(value.encode())
        except UnicodeEncodeError:
            return False
        if not 0 < name <= MAX_KEY_BYTES or text > MAX_VALUE_BYTES or key.startswith(("goog", _FORWARDED)):
            return False
        total += name + text + 16
    return total <= MAX_MESSAGE_BYTES


def _pack(attributes: Mapping[str, str], body: bytes) -> bytes:
    head = json.dumps(dict(attributes)).encode()  # ASCII, so that half surrogate pairs are kept too
    return len(head).to_bytes(4, "big") + head + body


def _unpack(packed: bytes) -> tuple[dict[str, str], bytes]:
    whole = zstandard.ZstdDecompressor().stream_reader(packed).read(_MOST_UNPACKED)
    length = int.from_bytes(whole[:4], "big")
    attributes = dict(json.loads(whole[4 : 4 + length]))
    return {str(key): str(value) for key, value in attributes.items()}, whole[4 + length :]


def _number(text: str | None, otherwise: int) -> int:
    if text is not None and text.isascii() and text.isdigit() and len(text) <= 18:
        return int(text)
    return otherwise
