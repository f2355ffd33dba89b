"""Opening the file: what is in the way is told in words, with advice."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from shared.errors import BusyError, ConfigError, StorageError
from shared.urls import url_of
from shared.warehouse import open_duckdb
from shared.warehouse.duckdb.failures import translate
from tests.contracts.warehouse import DEALS, everything, row
from tests.warehouse.processes import OPEN, attempt_to_open, said, started

# Format 67 is that of DuckDB 1.4.
OLDEST_READER_FORMAT = 67


async def make(url: str) -> None:
    warehouse = await open_duckdb(url)
    await warehouse.ensure_table(DEALS)
    await warehouse.write(DEALS, [row("1", 1, name="a")])
    await warehouse.close()


@pytest.mark.parametrize("url", ["bigquery://project/dataset", "sqlite:///var/x.db", "s3://bucket"])
async def test_a_url_without_an_adapter_is_refused_with_the_schemes_there_are(url: str) -> None:
    with pytest.raises(ConfigError, match="not available in this version") as caught:
        await open_duckdb(url)
    assert "duckdb:" in caught.value.advice


async def test_a_relative_url_names_a_file_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    await make("duckdb:here.duckdb")
    assert (tmp_path / "here.duckdb").is_file()


async def test_a_path_with_quotes_and_spaces_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / 'it\'s "100%" ; mine' / "agency.duckdb"
    await make(url_of("duckdb", path))
    assert path.is_file()


async def test_folders_that_are_missing_are_made(tmp_path: Path) -> None:
    await make(url_of("duckdb", tmp_path / "a" / "b" / "agency.duckdb"))
    assert (tmp_path / "a" / "b" / "agency.duckdb").is_file()


async def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"folder .*file cannot be made"):
        await open_duckdb(url_of("duckdb", tmp_path / "file" / "agency.duckdb"))


@pytest.mark.parametrize("content", [b"", b"not a database\n" * 1000])
async def test_a_file_of_another_kind_is_no_database(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "notes.txt").write_bytes(content)
    with pytest.raises(StorageError, match=r"notes\.txt is not a DuckDB database"):
        await open_duckdb(url_of("duckdb", tmp_path / "notes.txt"))
    assert (tmp_path / "notes.txt").read_bytes() == content


async def test_a_database_of_sqlite_is_no_duckdb_database(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "bus.db")) as other, other:
        other.execute("CREATE TABLE messages (id TEXT)")
    with pytest.raises(StorageError, match="is not a DuckDB database"):
        await open_duckdb(url_of("duckdb", tmp_path / "bus.db"))


async def test_a_folder_in_place_of_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be used"):
        await open_duckdb(url_of("duckdb", tmp_path))


@pytest.mark.parametrize("keep", [9_000, 13_000])
async def test_a_file_that_was_cut_off_is_called_damaged(url: str, tmp_path: Path, keep: int) -> None:
    await make(url)
    path = tmp_path / "agency.duckdb"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(StorageError, match="damaged") as caught:
        await open_duckdb(url)
    assert "full backfill" in caught.value.advice


def test_a_file_of_another_duckdb_is_told_from_a_damaged_one(tmp_path: Path) -> None:
    said_by_duckdb = duckdb.IOException(
        "IO Error: Trying to read a database file with version number 999, but we can only read versions "
        "between 64 and 67.\nThe database file was created with a newer version of DuckDB."
    )
    error = translate(said_by_duckdb, tmp_path / "agency.duckdb")
    assert isinstance(error, StorageError)
    assert "another version of DuckDB" in error.message


async def test_a_file_of_a_later_format_of_ours_is_left_alone(url: str, tmp_path: Path) -> None:
    await make(url)
    with duckdb.connect(tmp_path / "agency.duckdb") as connection:
        connection.execute("UPDATE productive_ingest.format SET version = 2").fetchall()
    for read_only in (True, False):
        with pytest.raises(StorageError, match="format 2, and this version knows 1"):
            await open_duckdb(url, read_only=read_only)


async def test_an_older_duckdb_can_read_the_file(url: str, tmp_path: Path) -> None:
    await make(url)
    await make(url)
    # The main header: eight bytes of checksum, `DUCK`, the format as a 64-bit number.
    header = (tmp_path / "agency.duckdb").read_bytes()[:20]
    assert header[8:12] == b"DUCK"
    assert int.from_bytes(header[12:20], "little") == OLDEST_READER_FORMAT


async def test_a_file_that_duckdb_made_by_itself_can_be_used(url: str, tmp_path: Path) -> None:
    with duckdb.connect(tmp_path / "agency.duckdb") as connection:
        connection.execute("CREATE TABLE mine AS SELECT 1 AS x").fetchall()
    await make(url)
    warehouse = await open_duckdb(url, read_only=True)
    assert (await warehouse.query("SELECT * FROM mine")).rows == [(1,)]
    await warehouse.close()


async def test_a_file_held_by_another_process_is_busy_and_the_process_is_named(
    url: str, tmp_path: Path
) -> None:
    with started(OPEN, url, "read-write") as process:
        assert said(process) == "opened"
        for read_only in (False, True):
            with pytest.raises(BusyError) as caught:
                await open_duckdb(url, read_only=read_only)
            assert str(tmp_path / "agency.duckdb") in caught.value.message
            assert str(process.pid) in caught.value.message
            assert "agency.snapshot.duckdb" in caught.value.advice


async def test_the_file_is_free_again_when_the_other_process_has_ended(url: str) -> None:
    with started(OPEN, url, "read-write") as process:
        assert said(process) == "opened"
    await make(url)


async def test_two_processes_can_read_at_once_and_no_one_can_write_meanwhile(url: str) -> None:
    await make(url)
    reader = await open_duckdb(url, read_only=True)
    assert attempt_to_open(url, read_only=True) == "opened"
    assert attempt_to_open(url, read_only=False).startswith("BusyError")
    assert await everything(reader, DEALS) == {"1": {"id": "1", "name": "a"}}
    await reader.close()


async def test_a_second_opening_in_the_same_process_is_refused_and_the_lock_holds(url: str) -> None:
    first = await open_duckdb(url)
    for read_only in (False, True):
        with pytest.raises(BusyError, match="this very process"):
            await open_duckdb(url, read_only=read_only)
    assert attempt_to_open(url, read_only=True).startswith("BusyError")
    await first.close()
    await make(url)


async def test_reading_what_nobody_has_written_yet_says_so(url: str, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no warehouse file") as caught:
        await open_duckdb(url, read_only=True)
    assert "backfill" in caught.value.advice
    assert not (tmp_path / "agency.duckdb").exists()


async def test_a_reader_cannot_write(url: str) -> None:
    await make(url)
    reader = await open_duckdb(url, read_only=True)
    with pytest.raises(StorageError, match="read-only"):
        await reader.write(DEALS, [row("2", 1)])
    await reader.close()


async def test_people_see_only_data_when_they_list_the_tables(url: str, tmp_path: Path) -> None:
    await make(url)
    with duckdb.connect(tmp_path / "agency.duckdb", read_only=True) as connection:
        assert connection.execute("SHOW TABLES").fetchall() == [("deals",)]
