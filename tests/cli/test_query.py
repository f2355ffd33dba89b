"""Questions on the command line: answered within their time, or stopped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from services.cli.main import cli
from shared.errors import ConfigError
from shared.urls import url_of
from shared.warehouse import open_warehouse
from tests.contracts.warehouse import KEPT, row


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """A data folder with a warehouse that holds one deal, which has been changed."""
    warehouse = await open_warehouse(url_of("duckdb", tmp_path / "productive.duckdb"))
    await warehouse.ensure_table(KEPT)
    await warehouse.write(KEPT, [row("1", 1, name="lead"), row("1", 2, name="won")])
    await warehouse.close()
    return tmp_path


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def ask(folder: Path, *arguments: str, **variables: str) -> Result:
    return CliRunner().invoke(
        cli, ["query", "--data-dir", str(folder), *arguments], env=variables, catch_exceptions=False
    )


def test_a_table_and_its_history_answer(folder: Path) -> None:
    now = ask(folder, "--json", "select name from deals")
    assert json.loads(now.stdout)["rows"] == [["won"]]
    before = ask(folder, "--json", "select name from deals_history where not _is_current")
    assert json.loads(before.stdout)["rows"] == [["lead"]]


def test_a_question_without_an_answer_in_time_is_stopped(folder: Path) -> None:
    endless = "select count(*) from range(1000000000) a, range(1000000000) b where a.range + b.range = -1"
    with pytest.raises(ConfigError, match=r"it had not ended after 0\.1 seconds"):
        ask(folder, "--seconds", "0.1", endless)


def test_the_memory_of_the_warehouse_can_be_set(folder: Path) -> None:
    question = "select current_setting('memory_limit')"
    assert "112.0 MiB" in ask(folder, question).stdout
    assert "200.0 MiB" in ask(folder, question, DUCKDB_MEMORY="200MiB").stdout


@pytest.mark.parametrize("size", ["much", "0MiB", "-1GiB", "10", "80%", "1TiB", "1 GiB;"])
def test_a_size_of_memory_that_is_none_is_refused(folder: Path, size: str) -> None:
    with pytest.raises(ConfigError, match="DUCKDB_MEMORY must be a size"):
        ask(folder, "select 1", DUCKDB_MEMORY=size)
