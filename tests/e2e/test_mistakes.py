"""What goes wrong is told in a few lines that say what to do, with the right exit code and no traceback."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from tests.e2e import agency
from tests.e2e.expected import assert_same
from tests.e2e.harness import Home, rows_of
from tests.e2e.server import TOKEN, Productive, Reply


def test_a_wrong_token_is_refused_without_showing_it(home: Home, productive: Productive) -> None:
    home.variables["PRODUCTIVE_API_TOKEN"] = "a-wrong-token-of-mine"
    for command in ("check", "backfill", "verify"):
        told = home.run(command).refused(3)
        assert "token" in told
        assert "a-wrong-token-of-mine" not in told
    assert len(productive.asked) <= 6


def test_a_wrong_organization_is_refused(home: Home) -> None:
    home.variables["PRODUCTIVE_ORGANIZATION_ID"] = "99"
    assert "organization" in home.run("check").refused(3)
    assert "organization" in home.run("backfill").refused(3)


def test_without_token_or_organization_it_says_which_variable_to_set(home: Home) -> None:
    del home.variables["PRODUCTIVE_API_TOKEN"]
    assert "PRODUCTIVE_API_TOKEN" in home.run("backfill").refused(2)
    del home.variables["PRODUCTIVE_ORGANIZATION_ID"]
    assert "PRODUCTIVE_ORGANIZATION_ID" in home.run("backfill").refused(2)


def test_nobody_at_the_address_is_told_soon(home: Home) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        home.variables["PRODUCTIVE_API_URL"] = f"http://127.0.0.1:{taken.getsockname()[1]}/api/v2"
        assert "refused" in home.run("backfill").refused(4)
    home.variables["PRODUCTIVE_API_URL"] = "http://no-such-host.invalid/api/v2"
    assert "no-such-host.invalid" in home.run("check").refused(4)


def test_two_organizations_do_not_get_mixed_in_one_place(home: Home, productive: Productive) -> None:
    home.only("tags")
    home.run("backfill").ok()
    productive.organization = home.variables["PRODUCTIVE_ORGANIZATION_ID"] = "99"
    assert "--data-dir" in home.run("backfill").refused(2)
    assert "--data-dir" in home.run("run").refused(2)
    home.run("backfill", "--data-dir", "another").ok()


def test_an_address_that_is_none_is_a_setting_to_mend(home: Home) -> None:
    home.variables["PRODUCTIVE_API_URL"] = "ftp://127.0.0.1/api"
    assert "http" in home.run("check").refused(2)


def test_a_page_of_html_is_not_taken_for_an_empty_organization(home: Home, productive: Productive) -> None:
    productive.trouble = lambda number, path: Reply(200, b"<html>Welcome!</html>")
    for command in ("check", "backfill"):
        told = home.run(command).refused(1)
        assert "address" in told
        assert "[1/58]" not in told, "one message, not one per table"
    assert len(productive.asked) <= 6


def test_an_address_where_there_are_no_lists_is_not_an_empty_organization(
    home: Home, productive: Productive
) -> None:
    home.only("tags", "people")
    productive.unknown_are_missing = True
    ended = home.run("backfill")
    assert ended.code == 1
    assert "No table could be read: check the API's address" in ended.stdout


def test_a_redirect_is_not_followed_with_the_token(home: Home, productive: Productive) -> None:
    with Productive().serving() as elsewhere:
        productive.trouble = lambda number, path: Reply(302, b"", {"Location": f"{elsewhere.url}/{path}"})
        for command in ("check", "backfill", "verify"):
            if command == "verify":
                productive.trouble, redirect = (lambda number, path: None), productive.trouble
                home.only("tags")
                home.run("backfill").ok()
                productive.trouble = redirect
            told = home.run(command).refused(1)
            assert "redirected to 127.0.0.1, which is not followed with the token" in told
        assert elsewhere.asked == []


def test_a_typo_in_the_configuration_is_told_with_its_line(home: Home) -> None:
    home.configure('[productive]\norganisation_id = "1"\n')
    told = home.run("backfill").refused(2)
    assert "productive-ingest.toml:2" in told
    assert "organization_id" in told


def test_a_table_that_does_not_exist_is_told_with_the_nearest_one(home: Home) -> None:
    assert "time_entries" in home.run("backfill", "--table", "time_entrys").refused(2)
    assert "deals" in home.run("tables", "show", "deal").refused(2)
    home.configure('[tables]\nskip = ["taks"]\n')
    assert "tasks" in home.run("backfill").refused(2)


def test_a_store_that_this_version_does_not_have_is_told(home: Home) -> None:
    home.variables["WAREHOUSE_URL"] = "snowflake://account/database"
    assert "duckdb:" in home.run("writer", "--drain").refused(2)


@contextmanager
def held(database: Path) -> Iterator[None]:
    """Another process has the file open."""
    program = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(database)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        yield
        process.stdin.close()


def test_a_warehouse_that_another_program_has_open_is_told(home: Home) -> None:
    home.only("tags")
    home.run("backfill").ok()
    with held(home.database):
        assert str(home.database) in home.run("backfill").refused(6)
    home.run("backfill").ok()


def test_a_file_that_is_no_database_is_told_and_left_alone(home: Home) -> None:
    home.only("tags")
    home.data.mkdir()
    for name in ("productive.duckdb", "bus.sqlite"):
        file = home.data / name
        file.write_bytes(b"my diary, nothing else\n" * 500)
        assert name in home.run("backfill").refused(5)
        assert file.read_bytes().startswith(b"my diary")
        file.unlink()
    home.run("backfill").ok()


def test_a_folder_that_cannot_be_written_is_told(home: Home) -> None:
    home.only("tags")
    if os.geteuid() == 0:  # may write everywhere but on a file system that is mounted for reading
        with small_disk(home.data, "ro"):
            assert "Mount it for writing" in home.run("backfill").refused(5)
    else:
        home.folder.chmod(0o500)
        assert "permission denied" in home.run("backfill").refused(5)


def test_a_data_folder_that_is_a_file_is_told(home: Home) -> None:
    home.data.write_text("in the way")
    assert "a file is where a folder should be" in home.run("backfill").refused(5)
    assert home.data.read_text() == "in the way"


@contextmanager
def small_disk(folder: Path, options: str) -> Iterator[None]:
    """A file system of its own in `folder`; skips the test where that is not allowed."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("only root may mount a small disk")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_stops_everything_and_the_same_command_completes_once_there_is_room(
    home: Home, productive: Productive
) -> None:
    agency.fill(productive, scale=3.0)
    home.only("tasks", "time_entries", "deals")
    with small_disk(home.data, "size=3m"):
        told = home.run("backfill").refused(5)
        assert "full" in told or "space" in told
        subprocess.run(["mount", "-o", "remount,size=400m", str(home.data)], check=True)
        home.run("backfill").ok()
        for path in ("tasks", "time_entries", "deals"):
            assert_same(path, productive.tables[path].resources, home.rows(path))


def test_a_disk_without_room_for_a_new_database_leaves_nothing_that_is_none(
    home: Home, productive: Productive
) -> None:
    productive.fill("tasks", agency.tasks(10))
    home.only("tasks")
    small = home.folder / "small"
    home.variables["WAREHOUSE_URL"] = f"duckdb://{small}/productive.duckdb"
    with small_disk(small, "size=4k"):
        assert "room" in home.run("backfill").refused(5)
        subprocess.run(["mount", "-o", "remount,size=400m", str(small)], check=True)
        home.run("backfill").ok()
        rows = rows_of(small / "productive.duckdb", "tasks")
        assert_same("tasks", productive.tables["tasks"].resources, rows)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_crawl_that_is_stopped_says_that_it_can_go_on_and_does(
    home: Home, productive: Productive, number: signal.Signals
) -> None:
    agency.fill(productive)
    home.only("tasks", "time_entries")
    productive.gated = 4
    with home.start("backfill") as command:
        assert productive.wait_for(4)
        command.send(number)
        ended = command.end()
    productive.gate.set()
    assert ended.code == 130
    assert "Traceback" not in ended.stderr
    assert "goes on from there" in ended.stderr
    home.run("backfill").ok()
    assert_same("tasks", productive.tables["tasks"].resources, home.rows("tasks"))


def test_a_second_crawl_at_the_same_time_is_refused(home: Home, productive: Productive) -> None:
    productive.fill("tasks", agency.tasks(10))
    home.only("tasks", "tags")
    productive.gated = 1
    with home.start("backfill") as command:
        assert productive.wait_for(1)
        assert "already running" in home.run("backfill").refused(6)
        productive.gate.set()
        command.end().ok()
    # One request for each table, and one for the recycle bin.
    assert {asked.path for asked in productive.asked} == {"tasks", "tags", "deleted_items"}
    assert len(productive.asked) == 3


def test_whoever_reads_our_output_may_go_away_and_the_work_goes_on(
    home: Home, productive: Productive
) -> None:
    home.only("tasks", "tags")
    productive.fill("tasks", agency.tasks(10))
    for arguments, closed in (
        (["tables", "list", "--all"], "stdout"),
        (["tables", "list", "--json"], "stdout"),
        (["backfill"], "stderr"),
    ):
        with home.start(*arguments) as command:
            getattr(command.process, closed).close()
            setattr(command.process, closed, None)
            ended = command.end()
        assert ended.code == 0
        assert not ended.stderr
    assert_same("tasks", productive.tables["tasks"].resources, home.rows("tasks"))


def test_output_that_cannot_be_printed_is_told(home: Home) -> None:
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "services.cli", "tables", "list"],
            env=home.environment(),
            cwd=home.folder,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ended.returncode == 5
    assert ended.stderr == "error: the operating system refused: No space left on device\n"


def test_a_command_that_is_started_without_standard_streams_works_all_the_same(
    home: Home, productive: Productive
) -> None:
    home.only("tasks")
    productive.fill("tasks", agency.tasks(10))
    shell = f'exec "{sys.executable}" -m services.cli backfill <&- >&- 2>&-'
    subprocess.run(["bash", "-c", shell], env=home.environment(), cwd=home.folder, check=True)
    assert_same("tasks", productive.tables["tasks"].resources, home.rows("tasks"))


def test_the_token_is_in_no_output_and_in_no_file(home: Home, productive: Productive) -> None:
    agency.fill(productive)
    productive.fill("deals", agency.deals(3), status=403, code="forbidden")
    home.run("backfill", "--verbose").ok()
    for file in home.data.rglob("*"):
        assert not file.is_file() or TOKEN.encode() not in file.read_bytes(), file


def test_with_json_there_is_one_json_object_and_nothing_else(home: Home, productive: Productive) -> None:
    productive.fill("tags", [agency.resource("tags", "1", {"name": "a"}, {})])
    home.only("tags")
    for arguments in (
        *(["check"], ["backfill"], ["verify"], ["status"], ["tables", "list"], ["tables", "show", "tags"]),
        *(["deadletters", "list"], ["writer", "--drain"]),
    ):
        as_json = home.run(*arguments, "--json").ok()
        assert isinstance(as_json.json, dict)
        assert as_json.stderr == ""
    home.variables["PRODUCTIVE_API_TOKEN"] = "wrong"
    refused = home.run("check", "--json")
    assert refused.code == 3
    assert refused.stdout == ""
    assert '"advice"' in refused.stderr


def test_the_database_can_be_opened_with_any_duckdb_client(home: Home, productive: Productive) -> None:
    agency.fill(productive)
    home.only("tasks", "people")
    home.run("backfill").ok()
    with duckdb.connect(str(home.database), read_only=True) as connection:
        assert connection.execute("show tables").fetchall() == [("people",), ("tasks",)]
        assert connection.execute("select * from tasks").fetchone() is not None
