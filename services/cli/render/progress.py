"""A crawl as it is watched: bars on a terminal, a line per table elsewhere, nothing with `--json`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from services.backfill.checkpoint import Status, TableCheckpoint
from services.backfill.progress import Progress as CrawlProgress
from services.backfill.progress import Silent
from services.backfill.summary import describe_plan
from services.cli.output import Output
from shared.productive import Budget


@contextmanager
def show_progress(
    output: Output, tables: int, budget_left: Callable[[], Sequence[Budget]]
) -> Iterator[CrawlProgress]:
    """Show a crawl of `tables` tables while the body runs."""
    if output.as_json:
        yield Silent()
    elif output.interactive:
        bars = _bars(output)
        with bars:
            yield _Bars(bars, tables, budget_left)
    else:
        yield _Lines(output, tables)


class _Lines:
    """One line for every table that ends."""

    def __init__(self, output: Output, tables: int) -> None:
        self._output = output
        self._tables = tables
        self._finished = 0

    def table_started(self, checkpoint: TableCheckpoint) -> None:
        if checkpoint.pages:
            self._output.note(f"{checkpoint.table}: goes on after {_records(checkpoint)}")

    def page_published(self, checkpoint: TableCheckpoint) -> None:
        if checkpoint.pages % 50 == 0:
            self._output.note(f"{checkpoint.table}: {_records(checkpoint)} so far")

    def table_finished(self, checkpoint: TableCheckpoint) -> None:
        self._finished += 1
        self._output.note(f"[{self._finished}/{self._tables}] {checkpoint.table}: {describe(checkpoint)}")


class _Bars:
    """A bar for every table under way, and one for all; finished tables make room."""

    def __init__(self, bars: Progress, tables: int, budget_left: Callable[[], Sequence[Budget]]) -> None:
        self._bars = bars
        self._budget_left = budget_left
        self._tasks: dict[str, TaskID] = {}
        self._records: dict[str, int] = {}
        self._all = bars.add_task("all tables", total=tables, detail="")

    def table_started(self, checkpoint: TableCheckpoint) -> None:
        self._tasks[checkpoint.table] = self._bars.add_task(
            checkpoint.table, total=_expected(checkpoint), detail=""
        )

    def page_published(self, checkpoint: TableCheckpoint) -> None:
        self._records[checkpoint.table] = checkpoint.records
        self._bars.update(
            self._tasks[checkpoint.table],
            completed=checkpoint.records,
            total=_expected(checkpoint),
            detail=_pages(checkpoint),
        )
        self._describe_all()

    def table_finished(self, checkpoint: TableCheckpoint) -> None:
        self._records[checkpoint.table] = checkpoint.records
        task = self._tasks.pop(checkpoint.table, None)
        if task is not None:
            self._bars.remove_task(task)
        if checkpoint.status is not Status.DONE:
            self._bars.console.print(Text(f"{checkpoint.table}: {describe(checkpoint)}", style="yellow"))
        self._bars.advance(self._all)
        self._describe_all()

    def _describe_all(self) -> None:
        left = ", ".join(f"{budget.left:,} ({budget.name})" for budget in self._budget_left()[:2])
        total = sum(self._records.values())
        self._bars.update(self._all, detail=f"{total:,} records · requests left: {left}")


class _Amount(ProgressColumn):
    """Records so far, of how many if that is known."""

    def render(self, task: Task) -> Text:
        done = f"{int(task.completed):,}"
        return Text(f"{done}/{int(task.total):,}" if task.total else done, style="progress.download")


def _bars(output: Output) -> Progress:
    return Progress(
        TextColumn("{task.description:<24}"),
        BarColumn(bar_width=24),
        _Amount(),
        TimeRemainingColumn(compact=True),
        TextColumn("[dim]{task.fields[detail]}"),
        console=output.notes,
        transient=True,
    )


def describe(checkpoint: TableCheckpoint) -> str:
    """What a table's crawl came to, in words."""
    match checkpoint.status:
        case Status.UNAVAILABLE:
            return f"not available: {checkpoint.reason}"
        case Status.FAILED:
            return f"failed: {checkpoint.reason} (the next run goes on from here)"
    read = _records(checkpoint)
    if not checkpoint.plan.full:
        read += f", {describe_plan(checkpoint.plan)}"
    if checkpoint.deleted:
        read += f"; {checkpoint.deleted:,} rows gone from Productive deleted"
    if checkpoint.held_back:
        read += f"; {checkpoint.held_back:,} deletions held back: {checkpoint.held_back_reason}"
    return read if checkpoint.settled else f"{read}, but it kept changing while it was read: run again"


def _expected(checkpoint: TableCheckpoint) -> int | None:
    """How many records will come, if that is known: of changes nobody knows."""
    return checkpoint.total or (checkpoint.expected if checkpoint.plan.full else None) or None


def _records(checkpoint: TableCheckpoint) -> str:
    return f"{checkpoint.records:,} records, {_pages(checkpoint)}"


def _pages(checkpoint: TableCheckpoint) -> str:
    return "1 page" if checkpoint.pages == 1 else f"{checkpoint.pages:,} pages"
