"""The generated files match the facts, and the generator says so when they do not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from scripts.generate_catalog import ROOT, main, outputs
from shared.catalog import Table, load_catalog
from shared.catalog.columns import build_tables
from shared.catalog.facts import FACTS_PATH, read_facts

CATALOG_JSON = Path("shared/catalog/catalog.json")
TABLES_PAGE = Path("docs/tables.md")


def test_the_committed_files_are_up_to_date() -> None:
    finished = subprocess.run(
        [sys.executable, ROOT / "scripts" / "generate_catalog.py", "--check"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (finished.returncode, finished.stderr) == (0, "")


def test_the_catalog_that_ships_is_what_the_facts_say() -> None:
    assert tuple(load_catalog().values()) == build_tables(read_facts())


def test_the_catalog_file_has_a_line_per_column_and_include() -> None:
    text = (ROOT / CATALOG_JSON).read_text(encoding="utf-8")
    tables = msgspec.json.decode(text, type=tuple[Table, ...])
    lines = [line.strip().rstrip(",") for line in text.splitlines() if line.startswith("   {")]
    assert len(lines) == sum(len(table.columns) + len(table.includes) for table in tables)
    assert all(json.loads(line)["name"] for line in lines)


def test_generating_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    assert outputs(FACTS_PATH, tmp_path) == outputs(FACTS_PATH, tmp_path)


def test_generating_writes_both_files_and_the_check_is_content_then(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--root", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"wrote {CATALOG_JSON}, {TABLES_PAGE}\n"
    assert main(["--root", str(tmp_path), "--check"]) == 0
    assert main(["--root", str(tmp_path)]) == 0
    assert "up to date" in capsys.readouterr().out


@pytest.mark.parametrize("file", [CATALOG_JSON, TABLES_PAGE], ids=str)
def test_the_check_names_a_stale_file_and_changes_nothing(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["--root", str(tmp_path)])
    (tmp_path / file).write_text("old", encoding="utf-8")
    capsys.readouterr()
    assert main(["--root", str(tmp_path), "--check"]) == 1
    assert capsys.readouterr().err == f"out of date: {file}. Run `make catalog` and commit the result.\n"
    assert (tmp_path / file).read_text(encoding="utf-8") == "old"


def test_a_missing_file_is_out_of_date(tmp_path: Path) -> None:
    assert main(["--root", str(tmp_path), "--check"]) == 1


def test_facts_that_contradict_themselves_end_with_words_and_write_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = tmp_path / "facts.toml"
    facts.write_text('[deals]\nabout = "Deals."\nset = "core"\nto_one.persons = ["x"]\n', encoding="utf-8")
    assert main(["--facts", str(facts), "--root", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: facts.toml contradicts itself:\n  deals: relationships point at 'persons'")
    assert not (tmp_path / CATALOG_JSON).exists()
