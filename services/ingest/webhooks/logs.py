"""Productive's own log of deliveries, as far as it tells of ours.

`webhook_logs` is documented with the payload as a text, the target, the status and the number of the try.
Whether it holds every try or only those that failed is not known (the documentation says both): tolerated.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from services.ingest.webhooks.address import Place, place_of
from shared.catalog import Catalog
from shared.clock import MICROSECONDS
from shared.productive import ListQuery, ProductiveClient, Unavailable, walk
from shared.productive.jsonapi import identifier, integer
from shared.record.values import json_text, parse_string, parse_timestamp


@dataclass(frozen=True, slots=True)
class Try:
    """One try to deliver to a target of our shape.

    `job` is the same for all tries of one delivery. `body` is None when the log does not hold it, `status`
    when there was no answer. `sent_us` is in microseconds since 1970 UTC on Productive's clock.
    """

    place: Place
    job: str
    sent_us: int
    delivered: bool
    status: int | None
    body: bytes | None


async def tries(
    client: ProductiveClient, catalog: Catalog, since_us: int
) -> AsyncIterator[Try | Unavailable]:
    """The tries since, each once, in the log's order, or an `Unavailable` as the end of it.

    Raises what `walk` raises.
    """
    seen: set[str] = set()
    query = ListQuery.of(catalog.table("webhook_logs"), ["id"], filters=_from_the_day_before(since_us))
    async for step in walk(client, query):
        if isinstance(step, Unavailable):
            yield step
            return
        for resource in step.resources:
            entry = identifier(resource)
            if entry is None or entry in seen:
                continue
            seen.add(entry)
            found = _try(resource.get("attributes"), step.observed_us)
            if found is not None and found.sent_us >= since_us:
                yield found


def _try(attributes: Any, observed_us: int) -> Try | None:
    if not isinstance(attributes, dict):
        return None
    place = place_of(str(attributes.get("target_url") or attributes.get("url") or ""))
    if place is None:
        return None
    sent = parse_timestamp(attributes.get("created_at") or attributes.get("sent_at"))
    codes = [integer(attributes.get(name)) for name in ("status_code", "response_code")]
    status = next((code for code in codes if code is not None), None)
    body = _body(attributes.get("payload"))
    job = parse_string(attributes.get("retry_job_id"))
    return Try(
        place=place,
        job=job if isinstance(job, str) and job else f"{place.event_id} {hash(body)}",
        sent_us=sent if isinstance(sent, int) else observed_us,
        delivered=attributes.get("success") is True or (status is not None and 200 <= status < 300),
        status=status,
        body=body,
    )


def _body(payload: Any) -> bytes | None:
    if isinstance(payload, dict):
        payload = json_text(payload)
    return payload.encode() if isinstance(payload, str) and payload.strip() else None


def _from_the_day_before(since_us: int) -> tuple[tuple[str, str], ...]:
    """Documented as a date; whether the day itself counts, and whose midnight, is not known."""
    day = datetime.fromtimestamp(since_us / MICROSECONDS, UTC).date() - timedelta(days=1)
    return (("filter[after]", day.isoformat()),)
