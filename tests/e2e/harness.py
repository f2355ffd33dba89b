"""Runs the real command as a process of its own, and looks into the database that it leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from shared.catalog import load_catalog
from shared.catalog.model import ColumnType
from tests.e2e.server import ORGANIZATION, TOKEN, Productive

REPOSITORY = Path(__file__).parents[2]
PATIENCE = 120.0

_OURS = (
    "PRODUCTIVE_",
    "PORT",
    "RECEIVER_HOST",
    "BUS_URL",
    "INTAKE_URL",
    "WAREHOUSE_URL",
    "OBJECTS_URL",
    "SECRETS_URL",
)
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """The one JSON value on standard output; fails when there is anything else."""
        return json.loads(self.stdout)

    def checked(self) -> Ended:
        """Itself, after looking for what no command may ever print: the token, and colours off a terminal."""
        assert TOKEN not in self.stdout + self.stderr
        assert "\x1b" not in self.stdout + self.stderr
        return self

    def ok(self) -> Ended:
        """Itself, after making sure that it went well."""
        assert self.code == 0, f"exit code {self.code}\n{self.stdout}\n{self.stderr}"
        return self

    def refused(self, code: int) -> str:
        """Standard error, after making sure that it is an error as a person wants to read it."""
        assert self.code == code, f"exit code {self.code}, not {code}\n{self.stdout}\n{self.stderr}"
        assert "Traceback" not in self.stderr
        progress, begin, told = self.stderr.partition("error: ")
        assert begin, self.stderr
        assert not progress or progress.endswith("\n"), self.stderr
        assert len(told.splitlines()) <= 3, self.stderr
        return self.stderr


@dataclass
class Home:
    """A folder to work in, with the settings of one installation."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path, productive: Productive) -> Home:
        """Set up to read `productive`, faster than its limits would let it."""
        return cls(
            folder,
            {
                "PRODUCTIVE_API_URL": productive.url,
                "PRODUCTIVE_API_TOKEN": TOKEN,
                "PRODUCTIVE_ORGANIZATION_ID": ORGANIZATION,
                "PRODUCTIVE_LIMIT_SCALE": "1000",
                "PORT": "0",
            },
        )

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.folder / "productive-data"

    @property
    def database(self) -> Path:
        """The warehouse file."""
        return self.data / "productive.duckdb"

    def configure(self, text: str) -> None:
        """Write the configuration file."""
        (self.folder / "productive-ingest.toml").write_text(text)

    def only(self, *tables: str) -> None:
        """Select just these tables."""
        self.configure(f"[tables]\nonly = {json.dumps(tables)}\n")

    def environment(self) -> dict[str, str]:
        """The variables of a command: ours, and what it takes to run at all."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(_OURS) and name.lower() not in _PROXIES
        }
        shown = {"PYTHONPATH": str(REPOSITORY), "COLUMNS": "200", "PYTHONFAULTHANDLER": "1"}
        return {**kept, **shown, **self.variables}

    def run(self, *arguments: str, module: str = "services.cli", patience: float = PATIENCE) -> Ended:
        """Run a command to its end."""
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=patience,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr).checked()

    def start(self, *arguments: str, module: str = "services.cli") -> Started:
        """Start a command; use it in a `with`."""
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=self.folder,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            preexec_fn=_hear_interrupts,  # noqa: PLW1509 -- one call into the system and no more
        )
        return Started(process)

    def rows(self, table: str) -> dict[str, dict[str, Any]]:
        """The rows of a table by id; see `rows_of`."""
        return rows_of(self.database, table)

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one statement on the warehouse file."""
        with duckdb.connect(str(self.database)) as connection:
            return connection.execute(statement, parameters).fetchall()


@dataclass
class Started:
    """A command that is running."""

    process: subprocess.Popen[str]

    def __enter__(self) -> Started:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if it still runs."""
        self.process.send_signal(number)

    def end(self, patience: float = PATIENCE) -> Ended:
        """Wait for its end; one that does not come is told with what its threads were at."""
        try:
            stdout, stderr = self.process.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)
            _, stderr = self.process.communicate()
            raise AssertionError(f"it did not end within {patience:g} s:\n{stderr}") from None
        return Ended(self.process.returncode, stdout or "", stderr or "").checked()

    def line(self, beginning: str) -> str:
        """Read standard error up to a line that begins so."""
        assert self.process.stderr is not None
        others = []
        for line in self.process.stderr:
            if line.startswith(beginning):
                return line
            others.append(line)
        raise AssertionError(f"it ended without a line {beginning!r}:\n{''.join(others)}")


def _hear_interrupts() -> None:
    """A shell that starts the tests in the background has everything they start ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def rows_of(database: Path, table: str) -> dict[str, dict[str, Any]]:
    """The rows by id, times as µs, dates as text, decimals as Decimal, JSON as its text; NULLs left out."""
    types = {column.name: column.type for column in load_catalog()[table].columns}
    with duckdb.connect(str(database), read_only=True) as connection:
        names = [row[0] for row in connection.execute(f'DESCRIBE "{table}"').fetchall()]
        selected = ", ".join(f'{_readable(name, types)} AS "{name}"' for name in names)
        fetched = connection.execute(f'SELECT {selected} FROM "{table}"').fetchall()
    found: dict[str, dict[str, Any]] = {}
    for values in fetched:
        row = {name: value for name, value in zip(names, values, strict=True) if value is not None}
        assert row["id"] not in found, f"{table} {row['id']} is there twice"
        found[row["id"]] = row
    return found


def _readable(name: str, types: Mapping[str, ColumnType]) -> str:
    if name in {"_synced_at", "_changed_at"} or types.get(name) is ColumnType.TIMESTAMP:
        return f'epoch_us("{name}")'
    if name == "_unparsed" or types.get(name) in {ColumnType.DATE, ColumnType.JSON}:
        return f'"{name}"::VARCHAR'
    return f'"{name}"'
