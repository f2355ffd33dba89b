"""A file that was written anew has the same content, and nothing else."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from shared.catalog.model import ColumnType
from shared.errors import BusyError, StorageError
from shared.record import Record, Source, Version
from shared.urls import url_of
from shared.warehouse import Row, TableSchema, open_duckdb
from shared.warehouse.duckdb.rewrite import rewrite

PEOPLE = TableSchema("people", (("id", ColumnType.STRING), ("name", ColumnType.STRING)))
SECRET = "Jane Doe, born in 1980"


def names_in(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


async def filled(path: Path) -> None:
    """A table whose first half was purged."""
    warehouse = await open_duckdb(url_of("duckdb", path))
    rows = [
        Record(str(number), "upsert", Version(1, 1), {"id": str(number), "name": f"{SECRET}, {number}."})
        for number in range(2_000)
    ]
    gone = Record("gone", "delete", Version(1, 1))
    await warehouse.ensure_table(PEOPLE)
    await warehouse.write(PEOPLE, [Row(one, Source.BACKFILL, "run") for one in (*rows, gone)])
    await warehouse.refresh_snapshot(force=True)
    await warehouse.purge_rows("people", [str(number) for number in range(1_000)])
    await warehouse.close()


async def test_the_content_is_the_same_and_what_was_purged_is_not_in_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    await filled(path)
    assert f"{SECRET}, 17.".encode() in path.read_bytes()
    assert await rewrite(path)
    assert f"{SECRET}, 17.".encode() not in path.read_bytes()
    assert names_in(tmp_path) == [
        "warehouse.duckdb",
        "warehouse.snapshot.duckdb",
    ]
    warehouse = await open_duckdb(url_of("duckdb", path))
    try:
        found = await warehouse.fetch(PEOPLE, ["17", "1700"])
        assert found == {"1700": {"id": "1700", "name": f"{SECRET}, 1700."}}
        late = Row(Record("gone", "upsert", Version(0, 1), {"id": "gone"}), Source.BACKFILL, "run")
        assert (await warehouse.write(PEOPLE, [late])).stale == 1
        state = await warehouse.state("people")
        assert state is not None
        assert state.rows == 1_000
    finally:
        await warehouse.close()


async def test_a_file_that_is_open_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    warehouse = await open_duckdb(url_of("duckdb", path))
    try:
        with pytest.raises((BusyError, StorageError)):
            await rewrite(path)
        await warehouse.ensure_table(PEOPLE)
    finally:
        await warehouse.close()


async def test_where_there_is_no_file_there_is_nothing_to_do(tmp_path: Path) -> None:
    assert not await rewrite(tmp_path / "warehouse.duckdb")
    assert names_in(tmp_path) == []


async def test_a_file_of_something_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    sqlite3.connect(path).executescript("create table a (b)")
    before = path.read_bytes()
    with pytest.raises(StorageError):
        await rewrite(path)
    assert path.read_bytes() == before
    assert names_in(tmp_path) == [path.name]
