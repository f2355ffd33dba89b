"""The rooms stay apart."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SERVICES = sorted(path.name for path in (ROOT / "services").iterdir() if (path / "__init__.py").exists())
ON_GOOGLE_CLOUD = ("bus/pubsub", "warehouse/bigquery", "objects/gcs", "secrets/secretmanager")
ADAPTERS = [path.parent for path in (ROOT / "shared").glob("*/*/connect.py")]


def imports(folder: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((path, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield path, node.module


def test_shared_never_imports_a_service() -> None:
    assert [(path, name) for path, name in imports(ROOT / "shared") if name.split(".")[0] == "services"] == []


@pytest.mark.parametrize("service", [name for name in SERVICES if name != "cli"])
def test_no_service_imports_another(service: str) -> None:
    others = [
        (path, name)
        for path, name in imports(ROOT / "services" / service)
        if name.startswith("services.") and name.split(".")[1] != service
    ]
    assert others == []


def test_every_adapter_folder_has_the_same_files() -> None:
    assert ADAPTERS
    for folder in ADAPTERS:
        assert {"connect.py", "adapter.py", "failures.py"} <= {path.name for path in folder.iterdir()}, folder


def test_only_the_adapters_know_their_stores() -> None:
    cloud = ("shared/google", *(f"shared/{name}" for name in ON_GOOGLE_CLOUD))
    foreign = {
        "sqlite3": ("shared/bus/sqlite",),
        "duckdb": ("shared/warehouse/duckdb",),
        "google": cloud,
        "grpc": cloud,
    }
    for top in ("shared", "services"):
        for path, name in imports(ROOT / top):
            homes = foreign.get(name.split(".")[0])
            assert homes is None or str(path.relative_to(ROOT)).startswith(homes), f"{path} imports {name}"


def test_a_laptop_needs_none_of_googles_clients() -> None:
    script = (
        "import sys, services.cli.main, shared.bus, shared.objects, shared.secrets, shared.warehouse\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('google', 'grpc')])\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry.sdk')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["[]", "[]"]
