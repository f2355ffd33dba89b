"""Deliveries that Productive could not make, from its own log, back onto the intake bus.

`webhook_logs` is documented with the payload as a text, the target, the status and the number of the try.
Whether it holds every try or only those that failed is not known (the documentation says both): tolerated.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from services.ingest.delivery import Delivery
from services.ingest.webhooks.address import place_of
from services.ingest.webhooks.environment import ReplayEnvironment
from shared.clock import MICROSECONDS
from shared.productive import ListQuery, Unavailable, walk
from shared.productive.jsonapi import identifier, integer
from shared.record.codec import MESSAGE_LIMIT
from shared.record.values import json_text, parse_string, parse_timestamp

_HELD_BYTES: Final = 32 << 20
"""How much is held back to see whether a later try succeeded; beyond it everything is published, which
costs a delivery that is not needed and does no harm."""

_MOST_MESSAGES = 500


@dataclass(slots=True)
class Failed:
    """What the log gave: `published` deliveries, `delivered` in the end by Productive itself.

    `unreadable` are entries of ours without a payload that could be a delivery; `problem` says why
    the log could not be read.
    """

    published: int = 0
    delivered: int = 0
    unreadable: int = 0
    problem: str = ""


async def replay_failed(env: ReplayEnvironment, since_us: int) -> Failed:
    """Publish each delivery to us that was first tried after `since_us` and never succeeded, once.

    Raises what the client and the intake bus raise; what was published before holds, and again is harmless.
    """
    replay = _Replay(env)
    query = ListQuery.of(env.catalog.table("webhook_logs"), ["id"], filters=_from_the_day_before(since_us))
    async for step in walk(env.client, query):
        if isinstance(step, Unavailable):
            replay.found.problem = step.reason
            break
        for resource in step.resources:
            await replay.take(resource, since_us, step.observed_us)
    await replay.publish_all()
    return replay.found


class _Replay:
    """The tries by delivery, all of them seen before the first is published unless they are too many."""

    def __init__(self, env: ReplayEnvironment) -> None:
        self._env = env
        self._seen: set[str] = set()
        self._waiting: dict[str, Delivery] = {}
        self._settled: set[str] = set()
        self._bytes = 0
        self.found = Failed()

    async def take(self, resource: Any, since_us: int, observed_us: int) -> None:
        entry = identifier(resource)
        attributes = resource.get("attributes") if isinstance(resource, dict) else None
        if entry is None or entry in self._seen or not isinstance(attributes, dict):
            return
        self._seen.add(entry)
        place = place_of(str(attributes.get("target_url") or attributes.get("url") or ""))
        created = parse_timestamp(attributes.get("created_at") or attributes.get("sent_at"))
        sent_us = created if isinstance(created, int) else observed_us
        if place is None or sent_us < since_us:
            return
        body = _body(attributes.get("payload"))
        key = parse_string(attributes.get("retry_job_id"))
        job = key if isinstance(key, str) and key else f"{place.event_id} {hash(body)}"
        if _was_delivered(attributes):
            self._succeeded(job)
        elif job not in self._settled:
            if body is None or len(body) > MESSAGE_LIMIT:
                self.found.unreadable += 1
            else:
                await self._failed(job, Delivery(place.event_id, sent_us, body))

    def _succeeded(self, job: str) -> None:
        if job not in self._settled:
            self._settled.add(job)
            self.found.delivered += 1
        before = self._waiting.pop(job, None)
        if before is not None:
            self._bytes -= len(before.body)

    async def _failed(self, job: str, delivery: Delivery) -> None:
        before = self._waiting.get(job)
        if before is None:
            self._bytes += len(delivery.body)
        if before is None or delivery.received_us < before.received_us:
            self._bytes += len(delivery.body) - len(before.body) if before else 0
            self._waiting[job] = delivery
        if self._bytes > _HELD_BYTES:
            await self.publish_all()

    async def publish_all(self) -> None:
        """Publish what waits, the oldest first."""
        waiting = sorted(self._waiting.values(), key=lambda delivery: delivery.received_us)
        for start in range(0, len(waiting), _MOST_MESSAGES):
            messages = [delivery.message() for delivery in waiting[start : start + _MOST_MESSAGES]]
            await self._env.intake.publish(messages)
        self.found.published += len(waiting)
        self._settled.update(self._waiting)
        self._waiting.clear()
        self._bytes = 0


def _was_delivered(attributes: dict[str, Any]) -> bool:
    """By whichever of the documented fields says so."""
    codes = [integer(attributes.get(name)) for name in ("status_code", "response_code")]
    return attributes.get("success") is True or any(code is not None and 200 <= code < 300 for code in codes)


def _body(payload: Any) -> bytes | None:
    if isinstance(payload, dict):
        payload = json_text(payload)
    return payload.encode() if isinstance(payload, str) and payload.strip() else None


def _from_the_day_before(since_us: int) -> tuple[tuple[str, str], ...]:
    """Documented as a date; whether the day itself counts, and whose midnight, is not known."""
    day = datetime.fromtimestamp(since_us / MICROSECONDS, UTC).date() - timedelta(days=1)
    return (("filter[after]", day.isoformat()),)
