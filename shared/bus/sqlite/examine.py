"""Looks at a bus in a file: whether it can be used, what waits on it, and what was set aside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shared.bus.limits import BusSettings
from shared.bus.port import Backlog
from shared.bus.sqlite.connect import connect
from shared.clock import MICROSECONDS
from shared.errors import IngestError
from shared.google.examination import Examination, Store
from shared.google.findings import Finding, good, problem, warning
from shared.room import counted, duration, look_at_file, size
from shared.urls import path_of

_LONG_SECONDS = 600.0
_FULL = 0.8


async def examine(url: str, examination: Examination) -> Sequence[Finding]:
    """See `shared.google.examination`; a bus that is not there yet is not made."""
    path = path_of(url).absolute()
    found = list(look_at_file(path, path.name))
    if found:
        return found
    if not path.exists():
        return [good(path.name, "is made when it is first used")]
    try:
        bus = await connect(url, clock=examination.clock, settings=BusSettings())
        try:
            backlog = await bus.backlog()
        finally:
            await bus.close()
    except IngestError as error:
        return [problem(path.name, f"{error.message}. {error.advice}")]
    return [
        good(path.name, f"can be read and written ({size(path.stat().st_size)})"),
        *_told(backlog, examination),
    ]


def _told(backlog: Backlog, examination: Examination) -> Iterator[Finding]:
    records = examination.store is Store.RECORDS
    age = (examination.clock.now_us() - (backlog.oldest_us or 0)) / MICROSECONDS
    if not backlog.messages:
        yield good("waiting", "nothing")
    elif age < _LONG_SECONDS:
        yield good("waiting", f"{counted(backlog.messages, 'message')}, the oldest for {duration(age)}")
    else:
        taker = "`writer` or `run`" if records else "`serve` or `run`"
        fix = "productive-ingest writer --drain" if records else "productive-ingest serve"
        text = f"{counted(backlog.messages, 'message')}, the oldest for {duration(age)}"
        text = f"{text}: does {taker} run, and get on?"
        yield warning("waiting", text, fix)
    if backlog.bytes > _FULL * BusSettings().max_bytes:
        text = (
            f"{size(backlog.bytes)} wait, of {size(BusSettings().max_bytes)} at most; then publishing waits"
        )
        yield warning("room on the bus", text)
    if backlog.dead_letters:
        text = f"set aside: {counted(backlog.dead_letters, 'message')}"
        yield warning("dead letters", text, "productive-ingest deadletters list")
    else:
        yield good("dead letters", "none")
