"""What a message may be and how a bus may be set up: the same on every bus, so that one can replace another.

The limits of a message are those that Pub/Sub documents in its quotas and limits: 10 MB, 100 attributes,
256 bytes for an attribute's key and 1,024 for its value, and never both no body and no attributes.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.bus.port import Message
from shared.errors import ConfigError, RecordError

MAX_MESSAGE_BYTES = 10_000_000
MAX_ATTRIBUTES = 100
MAX_KEY_BYTES = 256
MAX_VALUE_BYTES = 1_024

MAX_LEASE_SECONDS = 600.0
"""The longest lease and the longest delay of a release; Pub/Sub's longest acknowledgement deadline."""

MAX_REASON_CHARACTERS = 4_000


@dataclass(frozen=True, slots=True)
class BusSettings:
    """How a bus shall behave; the defaults suit one machine."""

    lease_seconds: float = 60.0
    """How long a delivery stays leased unless it is acked, released or extended."""

    max_bytes: int = 256 * 1024 * 1024
    """How many bytes of messages may wait (leased ones too) before `publish` waits for room."""

    publish_deadline_seconds: float = 300.0
    """How long `publish` waits for room before it raises `BackpressureError`."""

    max_unpublished_bytes: int = 32 * 1024 * 1024
    """How many bytes may be on their way to a remote bus before `publish` waits for room."""

    max_outstanding_messages: int = 8_000
    """How many messages a remote bus may have delivered here that are not acked yet; two full batches of the
    writer are 5,000 records, and a webhook's message holds one."""

    max_outstanding_bytes: int = 16 * 1024 * 1024
    """How many bytes those may have; two full batches of the writer are 8 MiB when decoded, less as messages.
    One message larger than the rest of this is delivered all the same."""

    request_seconds: float = 10.0
    """How long a remote bus may take to answer one request (a large one gets more)."""

    retry_seconds: float = 60.0
    """How long a request to a remote bus is tried again before it ends with `UnreachableError`."""

    quiet_seconds: float = 5.0
    """How long a remote bus must deliver nothing before it is taken to be empty, where it cannot tell."""

    silent_seconds: float = 60.0
    """How long a stream of a remote bus may bring nothing before it is found out whether messages wait."""

    def __post_init__(self) -> None:
        if not 0 < self.lease_seconds <= MAX_LEASE_SECONDS:
            raise ConfigError(
                f"a lease of {self.lease_seconds:g} s", advice=f"Choose at most {MAX_LEASE_SECONDS:g} s."
            )
        if self.max_bytes < 1 or self.publish_deadline_seconds < 0:
            raise ConfigError(
                "a bus without room, or with a negative deadline", advice="Choose positive numbers."
            )
        remote = (
            self.max_unpublished_bytes,
            self.max_outstanding_messages,
            self.max_outstanding_bytes,
            self.request_seconds,
            self.retry_seconds,
            self.quiet_seconds,
            self.silent_seconds,
        )
        if min(remote) <= 0:
            raise ConfigError("a remote bus without room or patience", advice="Choose positive numbers.")


def size_of(message: Message) -> int:
    """Bytes of the body and of the attributes in UTF-8; `RecordError` if these are not valid text."""
    size = len(message.body)
    for key, value in message.attributes.items():
        size += _bytes(key) + _bytes(value)
    return size


def checked_size(message: Message) -> int:
    """The message's size in bytes; `RecordError` when no bus would take it."""
    size = size_of(message)
    if size > MAX_MESSAGE_BYTES:
        raise RecordError(
            f"a message of {size:,} bytes is over the limit of {MAX_MESSAGE_BYTES:,}",
            advice="Split the batch, or put the record into the objects and publish its name.",
        )
    if not message.body and not message.attributes:
        raise RecordError("a message with neither a body nor attributes")
    if len(message.attributes) > MAX_ATTRIBUTES:
        raise RecordError(
            f"{len(message.attributes)} attributes on one message; {MAX_ATTRIBUTES} are allowed"
        )
    for key, value in message.attributes.items():
        if not key or _bytes(key) > MAX_KEY_BYTES or _bytes(value) > MAX_VALUE_BYTES:
            raise RecordError(
                f"an attribute of a message is too long (or its key empty): {key[:40]!r}",
                advice=f"Keys have 1 to {MAX_KEY_BYTES} bytes, values at most {MAX_VALUE_BYTES}.",
            )
    return size


def _bytes(text: str) -> int:
    """In UTF-8; most attributes are ASCII, which need not be encoded to be counted."""
    if text.isascii():
        return len(text)
    try:
        return len(text.encode())
    except UnicodeEncodeError as error:
        raise RecordError(f"an attribute of a message is not valid text: {error.reason}") from None
