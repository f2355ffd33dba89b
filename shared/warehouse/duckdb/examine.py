"""Looks at a warehouse in a file: whether it can be used, who has it, and whether its disk has room."""

from __future__ import annotations

from collections.abc import Sequence

from shared.errors import BusyError, IngestError
from shared.google.examination import Examination
from shared.google.findings import Finding, good, problem
from shared.room import look_at_file, look_at_room, size
from shared.urls import path_of
from shared.warehouse.duckdb.connect import connect
from shared.warehouse.duckdb.engine import DuckdbSettings


async def examine(url: str, examination: Examination) -> Sequence[Finding]:
    """See `shared.google.examination`; a warehouse that is not there yet is not made."""
    path = path_of(url).absolute()
    found = list(look_at_file(path, path.name))
    if found:
        return found
    if not path.exists():
        return [good(path.name, "is made when it is first written"), look_at_room(path)]
    # A copy for readers is made beside the file while somebody writes it.
    bytes_ = path.stat().st_size
    room = look_at_room(path, needed=bytes_)
    try:
        warehouse = await connect(url, read_only=True, clock=examination.clock, settings=DuckdbSettings())
        try:
            tables = [name for name in examination.tables if await warehouse.state(name) is not None]
        finally:
            await warehouse.close()
    except BusyError as error:
        return [good(path.name, f"{error.message} ({size(bytes_)})"), room]
    except IngestError as error:
        return [problem(path.name, f"{error.message}. {error.advice}"), room]
    text = f"can be read ({size(bytes_)}); {len(tables)} of {len(examination.tables)} tables chosen are in it"
    return [good(path.name, text), room]
