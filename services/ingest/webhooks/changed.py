"""Reads again what changed since a time: every table that webhooks feed, and what was deleted.

Published as record batches, like a crawl's: versions see to it that nothing newer is overwritten.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from services.ingest.webhooks.environment import ReplayEnvironment
from shared.catalog.selection import SelectedTable
from shared.clock import MICROSECONDS
from shared.errors import ProtocolError
from shared.productive import ListQuery, Unavailable, changed_between, walk
from shared.productive.deleted_items import DELETED_ITEMS, DeletedItem, deleted_items
from shared.productive.item_types import ItemTypes
from shared.record import Record, RecordBatch, Source, Version
from shared.record.publishing import PagePublisher

OVERLAP_SECONDS: Final = 300
"""Change times were seen to move some seconds after the change itself, and clocks differ."""


@dataclass(frozen=True, slots=True)
class Reread:
    """One table. `whole`: it was read in full, because Productive does not narrow its list by changes.

    `problem` says why it could not be read (to the end).
    """

    table: str
    records: int = 0
    rejected: int = 0
    whole: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Deletions:
    """How many deletions Productive's recycle bin told of; `problem` says why it could not be read."""

    records: int = 0
    problem: str = ""


async def reread_changed(
    env: ReplayEnvironment, selected: SelectedTable, since_us: int, run_id: str
) -> Reread:
    """Publish the table's records that changed since; all of them where changes cannot be asked for.

    Some changes move no time that Productive filters by (people, companies, deals and invoices have only
    their last activity): a crawl finds those. Raises what the client and the bus raise, but `ProtocolError`.
    """
    table = selected.table
    since_us -= OVERLAP_SECONDS * MICROSECONDS
    filters = changed_between(table.change_filter, since_us) if table.change_filter else ()
    columns = [column.name for column in selected.columns]
    query = ListQuery.of(table, columns, filters=filters, exact_times=bool(filters))
    publisher = PagePublisher(
        selected,
        organization_id=env.organization_id,
        source=Source.BACKFILL,
        run_id=run_id,
        bus=env.bus,
        codec=env.codec,
    )
    records = rejected = 0
    whole, problem = not filters, ""
    try:
        async for step in walk(env.client, query):
            if isinstance(step, Unavailable):
                problem = step.reason
                break
            published = await publisher.publish(step.resources, step.observed_us)
            records += published.records
            rejected += published.rejected
            whole = not query.filters_in_force(step.learned)
    except ProtocolError as error:
        problem = error.message
    return Reread(selected.name, records, rejected, whole, problem)


async def replay_deletions(env: ReplayEnvironment, since_us: int, run_id: str) -> Deletions:
    """Publish the deletions since, as far as Productive's recycle bin (`deleted_items`) tells of them.

    Documented to hold budgets, deals, invoices, projects, services, tasks and time entries (and docs and
    dashboards), for at least seven days; what was restored leaves it. Raises what `reread_changed` raises.
    """
    table = env.catalog.table(DELETED_ITEMS)
    filters = changed_between("created_at", since_us - OVERLAP_SECONDS * MICROSECONDS)
    query = ListQuery.of(table, ["id"], filters=filters, exact_times=True)
    types = ItemTypes(env.catalog)
    count = 0
    try:
        async for step in walk(env.client, query):
            if isinstance(step, Unavailable):
                return Deletions(count, step.reason)
            items = deleted_items(step.resources, step.observed_us, types)
            selected = (item for item in items if item.table in env.tables)
            for name, records in _deletions(selected, step.observed_us, since_us).items():
                batch = RecordBatch(name, env.organization_id, Source.DELETION, run_id, records)
                await env.bus.publish(await env.codec.encode(batch))
                count += len(records)
    except ProtocolError as error:
        return Deletions(count, error.message)
    return Deletions(count)


def _deletions(items: Iterable[DeletedItem], observed_us: int, since_us: int) -> dict[str, list[Record]]:
    """What is in the recycle bin as deletions by table."""
    found: dict[str, list[Record]] = {}
    for item in items:
        # Where the list could not be narrowed, what is much older is already known.
        if item.deleted_us >= since_us - OVERLAP_SECONDS * MICROSECONDS:
            version = Version(item.deleted_us, observed_us)
            found.setdefault(item.table, []).append(Record(item.id, "delete", version))
    return found
