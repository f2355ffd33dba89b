"""What waits on a subscription and whether anybody takes it, as Cloud Monitoring knows it.

The metrics are those that Google documents for Pub/Sub; they are a few minutes old.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from shared.bus.pubsub.names import Names
from shared.errors import IngestError
from shared.google.examination import Examination, Metrics, Store
from shared.google.findings import Finding, good, problem, unknown, warning
from shared.room import counted, duration

_METRIC: Final = "pubsub.googleapis.com/subscription/"
_LONG_SECONDS: Final = 600.0
_FORGOTTEN_SECONDS: Final = 2 * 86_400.0
"""How long BigQuery remembers the deletion of a row, which an older message may bring back (documented)."""

_NEARLY: Final = 0.8


@dataclass(frozen=True, slots=True)
class Waiting:
    """One subscription in numbers; None where there is no number.

    `streams` are open now; `acked` messages and `requests` to pull are those of the last ten minutes.
    """

    messages: float | None
    age_seconds: float | None
    streams: float | None
    acked: float | None
    requests: float | None

    @property
    def is_pulled(self) -> bool:
        """Whether anybody asks for messages, in whichever of the two ways there are."""
        return bool(self.streams or self.requests)

    @property
    def is_late(self) -> bool:
        """Whether something has waited for longer than any batch should."""
        return bool(self.messages) and (self.age_seconds or 0) > _LONG_SECONDS


async def look_at_waiting(
    names: Names, examination: Examination, metrics: Metrics, retention: tuple[float, float]
) -> Sequence[Finding]:
    """What to say about the subscription and that of its dead letters; their retention is in seconds."""
    try:
        live, dead = await asyncio.gather(
            _measured(names.name, metrics), _measured(f"{names.name}-dead", metrics)
        )
    except IngestError as error:
        return [unknown("waiting", f"is not known: {error.message}")]
    return [
        *_live(live, names, examination.store, retention[0]),
        *_dead(dead, retention[1]),
    ]


async def _measured(subscription: str, metrics: Metrics) -> Waiting:
    labels = {"subscription_id": subscription}
    found = await asyncio.gather(
        metrics.latest(f"{_METRIC}num_undelivered_messages", labels=labels),
        metrics.latest(f"{_METRIC}oldest_unacked_message_age", labels=labels),
        metrics.latest(f"{_METRIC}open_streaming_pulls", labels=labels),
        metrics.totals(f"{_METRIC}ack_message_count", labels=labels, window_seconds=_LONG_SECONDS),
        metrics.totals(f"{_METRIC}pull_request_count", labels=labels, window_seconds=_LONG_SECONDS),
    )
    return Waiting(*(sum(point.value for point in points) if points else None for points in found))


def _live(waiting: Waiting, names: Names, store: Store, retention: float) -> Iterator[Finding]:
    if waiting.messages is None:
        yield unknown(
            "waiting", "Cloud Monitoring has no numbers about it, as of one that is new or not used"
        )
        return
    age = waiting.age_seconds or 0.0
    many = f"{counted(waiting.messages, 'message')}, the oldest for {duration(age)}"
    command = "productive-ingest writer" if store is Store.RECORDS else "productive-ingest serve"
    if age > _NEARLY * retention:
        yield problem("waiting", f"{many}; they are lost after {duration(retention)}", command)
    if waiting.is_late and not waiting.is_pulled:
        yield problem("waiting", f"{many}, and nobody pulls them", command)
    elif waiting.is_late and not waiting.acked:
        errors = f"gcloud logging read 'severity>=ERROR' --project {names.project} --freshness=1h --limit=20"
        text = f"{many}; somebody pulls them, and nothing is acknowledged"
        yield problem("waiting", text, errors)
    elif age > _FORGOTTEN_SECONDS and store is Store.RECORDS:
        text = f"{many}: older than what BigQuery remembers of deletions, so that each is compared first"
        yield warning("waiting", text)
    elif waiting.is_late:
        yield warning("waiting", many)
    else:
        yield good("waiting", many if waiting.messages else "nothing")


def _dead(waiting: Waiting, retention: float) -> Iterator[Finding]:
    if not waiting.messages:
        if waiting.messages is not None:
            yield good("dead letters", "none")
        return
    age = waiting.age_seconds or 0.0
    text = f"set aside: {counted(waiting.messages, 'message')}, the oldest {duration(age)} ago"
    if age > _NEARLY * retention:
        text = f"{text}; they are lost after {duration(retention)}"
        yield problem("dead letters", text, "productive-ingest deadletters list")
    else:
        yield warning("dead letters", text, "productive-ingest deadletters list")
