"""Which tables history is kept of, as people write it."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.catalog import load_catalog
from shared.catalog.selection import select
from shared.config import load_settings
from shared.errors import ConfigError


def rules(folder: Path, text: str) -> tuple[str, ...]:
    file = folder / "productive-ingest.toml"
    file.write_text(f"[tables]\n{text}\n", encoding="utf-8")
    selection = load_settings(file, {}, {}).selection
    select(load_catalog(), selection)
    return selection.history


def test_nothing_is_kept_unless_it_is_asked_for() -> None:
    selection = load_settings(None, {}, {}).selection
    assert not any(selection.keeps_history(table) for table in load_catalog())


def test_history_is_kept_of_the_tables_named(tmp_path: Path) -> None:
    assert rules(tmp_path, 'history = ["deals", "tasks"]') == ("deals", "tasks")


@pytest.mark.parametrize("text", ['history = "*"', 'history = ["*"]'])
def test_a_star_means_all_tables(tmp_path: Path, text: str) -> None:
    assert rules(tmp_path, text) == ("*",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('history = ["deal"]', r"productive-ingest\.toml:2.*'deal'"),
        ('history = "deals"', r'a list of names, like \["deals", "tasks"\], or "\*"'),
        ("history = true", r'a list of names, like \["deals", "tasks"\], or "\*"'),
        ('history = ["deals", "deals"]', "there twice"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected) as caught:
        rules(tmp_path, text)
    assert "productive-ingest.toml:2" in caught.value.message
