"""The end of a crawl, in words: what arrived, what did not, and what to look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from services.backfill.checkpoint import Status
from services.backfill.summary import CrawlSummary, TableSummary
from services.cli.output import Output


def print_summary(output: Output, summary: CrawlSummary, written: Mapping[str, int], where: str) -> None:
    """`written` is how many rows of each table changed in the warehouse, `where` names it."""
    rows = [
        (name, table.plan, table.records, table.pages, written.get(name, 0))
        for name, table in summary.tables.items()
        if table.status is Status.DONE
    ]
    output.table(("table", "what was read", "records", "pages", "rows written"), rows)
    output.say()
    for line in _remarks(summary):
        output.say(line, style="yellow")
    done = len(rows)
    output.say(
        f"{summary.records:,} records of {done} tables were read into {where}: "
        f"{summary.requests:,} requests, {summary.seconds:.1f} s"
        + (", resumed from an earlier run" if summary.resumed else ""),
        style="bold",
    )
    if not summary.readable:
        output.say(
            "No table could be read: check the API's address and what the token may see.", style="bold"
        )
    if not summary.complete:
        output.say("Not complete: run the same command again, it goes on where this one ended.", style="bold")


def _remarks(summary: CrawlSummary) -> Iterator[str]:
    tables = summary.tables
    for name, table in _with_status(tables, Status.UNAVAILABLE):
        yield f"not available: {name}: {table.reason}"
    for name, table in _with_status(tables, Status.FAILED):
        yield f"failed: {name}: {table.reason}"
    yield from deletion_remarks(summary)
    for name, table in tables.items():
        if not table.settled:
            yield f"kept changing while it was read, so rows may be missing until the next run: {name}"
        if table.includes_refused:
            columns = ", ".join(f"{include}_id" for include in table.includes_refused)
            yield f"foreign keys that Productive does not give for {name}: {columns}"
        if table.rejected:
            yield f"in the dead letters: {table.rejected:,} records of {name} that are no records"
    yield from _counts("values that did not fit their column, kept in _unparsed", tables, "unparsed")
    yield from _counts("fields that this version does not know, not synced", tables, "unknown")


def deletion_remarks(summary: CrawlSummary) -> Iterator[str]:
    """What was gone from Productive, what came back, and what of it was not believed."""
    for name, table in summary.tables.items():
        if table.deleted:
            yield f"gone from Productive, and deleted: {table.deleted:,} rows of {name}"
        if table.held_back:
            yield f"not deleted: {table.held_back:,} rows of {name}: {table.held_back_reason}"
    bin_ = summary.recycle_bin
    if bin_ and (bin_.deleted or bin_.restored):
        yield f"from the recycle bin: {bin_.deleted:,} deletions, {bin_.restored:,} restorations"
    if bin_ and bin_.problem:
        yield f"the recycle bin could not be read, so deletions wait for a full read: {bin_.problem}"


def _with_status(tables: Mapping[str, TableSummary], status: Status) -> list[tuple[str, TableSummary]]:
    return [(name, table) for name, table in tables.items() if table.status is status]


def _counts(title: str, tables: Mapping[str, TableSummary], field: str) -> Iterator[str]:
    found = {name: getattr(table, field) for name, table in tables.items() if getattr(table, field)}
    if found:
        yield f"{title}:"
    for name, counts in found.items():
        yield f"  {name}: " + ", ".join(f"{what} ({count:,})" for what, count in sorted(counts.items()))
