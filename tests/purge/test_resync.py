"""`resync` reads a table as if it had never been read, and empties it first where that is asked for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Iterator
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

import duckdb
import pytest
from click.testing import CliRunner

from services.cli.main import cli
from services.sandbox import Limits, Sandbox, SandboxSettings
from shared.errors import ConfigError

T = TypeVar("T")


class Desk:
    """A person at a terminal, with a data folder and a Productive that runs in another thread."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sandbox = Sandbox(SandboxSettings(people=3, limits=Limits(time_scale=10_000)))
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._call(self.sandbox.__aenter__())

    def close(self) -> None:
        self._call(self.sandbox.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, *arguments: str) -> Any:
        """One command's JSON result; its error is raised."""
        variables = {
            "PRODUCTIVE_API_URL": self.sandbox.url,
            "PRODUCTIVE_API_TOKEN": self.sandbox.token,
            "PRODUCTIVE_ORGANIZATION_ID": self.sandbox.organization_id,
            "PRODUCTIVE_LIMIT_SCALE": "10000",
            "PRODUCTIVE_INGEST_CONFIG": str(self._config()),
        }
        options = [*arguments, "--json", "--data-dir", str(self.folder)]
        result = CliRunner().invoke(cli, options, env=variables, standalone_mode=False)
        if result.exception is not None:
            raise result.exception
        return json.loads(result.stdout)

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.folder / "productive.duckdb")) as connection:
            return connection.execute(statement).fetchall()

    def _config(self) -> Path:
        path = self.folder.parent / "productive-ingest.toml"
        path.write_text('[tables]\nonly = ["companies", "projects"]\n')
        return path

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=60)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path / "data")
    try:
        desk.run("backfill")
        yield desk
    finally:
        desk.close()


def test_a_table_is_read_whole_again_and_the_others_are_not(desk: Desk) -> None:
    count = desk.sandbox.organization.count("companies")
    desk.sql("delete from companies")
    [(before,)] = desk.sql("select max(_synced_at) from projects")
    result = desk.run("resync", "companies")
    assert result["resynced"]
    assert desk.sql("select count(*) from companies") == [(count,)]
    assert desk.sql("select max(_synced_at) from projects") == [(before,)]
    assert desk.run("verify")["right"]


def test_a_table_is_emptied_first_only_where_that_is_asked_for_and_confirmed(desk: Desk) -> None:
    count = desk.sandbox.organization.count("companies")
    desk.sql("insert into companies (id, name) values ('99999999', 'Invented')")
    assert desk.run("resync", "companies", "--purge") == {"resynced": False}
    assert desk.sql("select count(*) from companies") == [(count + 1,)]
    result = desk.run("resync", "companies", "--purge", "--yes")
    assert result["purged_rows"] == count + 1
    assert desk.sql("select count(*), count(distinct id) from companies") == [(count, count)]
    assert desk.run("verify")["right"]


def test_verify_repairs_what_it_finds(desk: Desk) -> None:
    desk.sql("insert into companies (id, name) values ('99999999', 'Invented')")
    victim = desk.sandbox.organization.ids("projects")[0]
    desk.sql(f"update projects set name = 'Wrong' where id = '{victim}'")
    assert not desk.run("verify", "--sample", "all")["right"]
    result = desk.run("verify", "--sample", "all", "--repair")
    assert {one["table"]: (one["reread"], one["deleted"]) for one in result["repairs"]} == {
        "companies": (0, 1),
        "projects": (1, 0),
    }
    assert result["right"]
    assert desk.run("verify", "--sample", "all")["right"]


def test_what_a_person_may_have_mistyped_is_told(desk: Desk) -> None:
    with pytest.raises(ConfigError, match="not among the selected"):
        desk.run("resync", "people")
    with pytest.raises(ConfigError, match="there is no table"):
        desk.run("resync", "company")
