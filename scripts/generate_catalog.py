"""Generates shared/catalog/catalog.json and docs/tables.md from shared/catalog/facts.toml.

Run it with `make catalog` after editing the facts. `--check` writes nothing and exits with 1 when a file
is out of date; `make lint` runs that. Facts that contradict themselves end it with 2.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import msgspec

from scripts.tables_page import render_page
from shared.catalog.columns import build_tables
from shared.catalog.facts import FACTS_PATH, read_facts
from shared.catalog.model import Table
from shared.errors import ConfigError

ROOT = Path(__file__).resolve().parent.parent


def render_catalog(tables: tuple[Table, ...]) -> str:
    """The catalog as JSON, one column or include per line so that diffs can be read."""
    return "[\n" + ",\n".join(_render_table(table) for table in tables) + "\n]\n"


def _render_table(table: Table) -> str:
    lines = []
    for key, value in msgspec.to_builtins(table).items():
        if key in {"columns", "includes"}:
            rows = ",\n".join(f"   {_json(row)}" for row in value)
            lines.append(f"  {_json(key)}: [\n{rows}\n  ]")
        else:
            lines.append(f"  {_json(key)}: {_json(value)}")
    return " {\n" + ",\n".join(lines) + "\n }"


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=0).decode()


def outputs(facts_path: Path, root: Path) -> dict[Path, str]:
    """What each generated file below `root` should hold."""
    facts = read_facts(facts_path)
    tables = build_tables(facts)
    return {
        root / "shared" / "catalog" / "catalog.json": render_catalog(tables),
        root / "docs" / "tables.md": render_page(tables, facts),
    }


def stale(expected: dict[Path, str]) -> list[Path]:
    """The files that are missing or differ."""
    return [
        path
        for path, text in expected.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]


def main(arguments: list[str] | None = None) -> int:
    """Generate or check; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 when a file is out of date"
    )
    parser.add_argument("--facts", type=Path, default=FACTS_PATH, help="the facts to read")
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout to write to")
    options = parser.parse_args(arguments)
    try:
        expected = outputs(options.facts, options.root)
    except ConfigError as error:
        print(f"error: {error.message}\n{error.advice}", file=sys.stderr)
        return int(error.exit_code)
    behind = stale(expected)
    names = ", ".join(str(path.relative_to(options.root)) for path in behind)
    if options.check:
        if behind:
            print(f"out of date: {names}. Run `make catalog` and commit the result.", file=sys.stderr)
        return 1 if behind else 0
    for path in behind:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(expected[path], encoding="utf-8")
    print(f"wrote {names}" if behind else "everything is up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())
