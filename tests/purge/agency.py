"""A crawled agency in a folder, and the command `purge` on copies of it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
from click.testing import CliRunner, Result

from services.cli.commands.purge import purge
from services.cli.world import World, open_world
from services.sandbox import SandboxSettings
from shared.config import load_settings
from shared.urls import url_of
from shared.warehouse import open_warehouse
from tests.backfill.agency import agency

T = TypeVar("T")
TABLES = (
    "people",
    "users",
    "organization_memberships",
    "salaries",
    "sessions",
    "timers",
    "memberships",
    "tasks",
    "comments",
    "time_entries",
    "companies",
    "contact_entries",
)
HISTORY = ("people", "salaries", "tasks")


@dataclass
class Office:
    """A data folder of its own, with everything that a crawl of the agency has written."""

    folder: Path
    organization_id: str

    def run(self, *arguments: str) -> Result:
        """One command, as `productive-ingest purge …`."""
        options = [*arguments, "--data-dir", str(self.folder)]
        variables = {"PRODUCTIVE_ORGANIZATION_ID": self.organization_id}
        return CliRunner().invoke(purge, options, env=variables, standalone_mode=False)

    def json(self, *arguments: str) -> Any:
        """The command's result; its error is raised."""
        result = self.run(*arguments, "--json")
        if result.exception is not None:
            raise result.exception
        return json.loads(result.stdout)

    def rows(self, question: str, *, snapshot: bool = False) -> list[tuple[Any, ...]]:
        """What the warehouse, or its copy, answers."""
        name = "productive.snapshot.duckdb" if snapshot else "productive.duckdb"

        async def ask() -> list[tuple[Any, ...]]:
            warehouse = await open_warehouse(url_of("duckdb", self.folder / name), read_only=True)
            try:
                return list((await warehouse.query(question, max_rows=100_000)).rows)
            finally:
                await warehouse.close()

        return asyncio.run(ask())

    def count(self, table: str, where: str = "true") -> int:
        """How many rows fulfil a condition."""
        return int(self.rows(f'select count(*) from "{table}" where {where}')[0][0])

    def in_world(self, work: Callable[[World], Coroutine[Any, Any, T]]) -> T:
        """What a coroutine function makes of the open stores."""

        async def go() -> T:
            settings = load_settings(
                None,
                {},
                {
                    "storage.data_dir": str(self.folder),
                    "productive.organization_id": self.organization_id,
                    "tables.only": list(TABLES),
                    "tables.history": list(HISTORY),
                },
            )
            async with open_world(settings) as world:
                return await work(world)

        return run(go())


def run(work: Coroutine[Any, Any, T]) -> T:
    """A coroutine, in a loop of its own: commands want the main thread and no loop in it."""
    return asyncio.run(work)


@pytest.fixture(scope="module")
def crawled(tmp_path_factory: pytest.TempPathFactory) -> Office:
    """The agency after one crawl; to be copied, not changed."""
    folder = tmp_path_factory.mktemp("crawled")

    async def crawl() -> str:
        with pytest.MonkeyPatch.context() as patch:
            settings = SandboxSettings(people=4)
            chosen: dict[str, Any] = {"tables__only": list(TABLES), "tables__history": list(HISTORY)}
            async with agency(folder, patch, settings, **chosen) as opened:
                await opened.crawl()
                return opened.sandbox.organization_id

    return Office(folder, run(crawl()))


@pytest.fixture
def office(crawled: Office, tmp_path: Path) -> Office:
    """A copy that a test may change."""
    folder = tmp_path / "data"
    shutil.copytree(crawled.folder, folder)
    return Office(folder, crawled.organization_id)


def files_with(folder: Path, content: bytes) -> list[str]:
    """The files below the folder that hold these bytes, as they are on the disk."""
    found = []
    for top, _, names in os.walk(folder):
        found += [name for name in names if content in (Path(top) / name).read_bytes()]
    return sorted(found)
