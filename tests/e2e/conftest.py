"""One server and one folder for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import Home
from tests.e2e.server import Productive
from tests.google.bigquery_place import bigquery_emulator, bigquery_place

__all__ = ["bigquery_emulator", "bigquery_place"]


@pytest.fixture
def productive() -> Iterator[Productive]:
    """An organization without any record."""
    with Productive().serving() as served:
        yield served


@pytest.fixture
def home(tmp_path: Path, productive: Productive) -> Home:
    """An installation that reads it."""
    return Home.of(tmp_path, productive)
