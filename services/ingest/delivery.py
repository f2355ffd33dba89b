"""One delivery of a webhook on its way over the intake bus.

The receiver publishes what it has verified, byte for byte, and nothing interprets it before it is durable;
so whatever can only be understood later (after an upgrade, or with Productive's help) waits unharmed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from shared.bus.port import Message
from shared.errors import RecordError
from shared.telemetry import tracing

KIND: Final = "delivery"

PATH: Final = "/webhooks/productive"
"""Where deliveries are sent, below the receiver's address; the event's id follows."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A verified delivery: `body` as it was signed, for the webhook of `event_id`.

    `received_us` is when it arrived (for one recovered from Productive's log: when it was first sent),
    microseconds since 1970 UTC on Productive's clock as far as we know it. `traceparent` is the context that
    it is followed in, `""` when it is not followed.
    """

    event_id: int
    received_us: int
    body: bytes
    traceparent: str = ""

    def followed(self) -> Delivery:
        """The same delivery with the context of what is under way now; itself where nothing is traced."""
        carried = tracing.carried()
        return replace(self, traceparent=carried[tracing.TRACEPARENT]) if carried else self

    def message(self) -> Message:
        """The delivery as a message of the intake bus."""
        attributes = {
            "kind": KIND,
            "event_id": str(self.event_id),
            "received_us": str(self.received_us),
        }
        if self.traceparent:
            attributes[tracing.TRACEPARENT] = self.traceparent
        return Message(self.body, attributes)

    @classmethod
    def of(cls, message: Message) -> Delivery:
        """What `message` made; `RecordError` for any other message."""
        attributes = message.attributes
        try:
            if attributes["kind"] != KIND:
                raise RecordError(f"a message of the kind {attributes['kind'][:40]!r} among the deliveries")
            return cls(
                int(attributes["event_id"]),
                int(attributes["received_us"]),
                message.body,
                attributes.get(tracing.TRACEPARENT, ""),
            )
        except (KeyError, ValueError):
            raise RecordError("a message on the intake bus that is no delivery of a webhook") from None
