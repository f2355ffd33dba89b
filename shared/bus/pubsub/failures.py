"""Pub/Sub's errors, as what a person can do about them."""

from __future__ import annotations

from google.api_core import exceptions

from shared.bus.pubsub.names import Names
from shared.errors import IngestError, RecordError
from shared.google.endpoints import PUBSUB
from shared.google.failures import Place, as_ours


def place_of(names: Names) -> Place:
    """The bus, for messages and remedies."""
    return Place(
        service=PUBSUB,
        what=f"the bus pubsub://{names.project}/{names.name}",
        project=names.project,
        role="roles/pubsub.editor",
    )


def refused_message(error: exceptions.InvalidArgument) -> RecordError:
    """A message that our limits let through and Pub/Sub does not (an attribute `goog...`, for one)."""
    return RecordError(
        f"Pub/Sub refuses a message: {' '.join(str(error.message).split())[:300]}",
        advice="The other messages are published; this one would be refused again.",
    )


def translated(error: Exception, names: Names) -> IngestError:
    """The error in our words; ours stay as they are."""
    return as_ours(error, place_of(names))
