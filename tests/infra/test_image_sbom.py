"""The bill of materials names every package with the hash of the wheel that it came from."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.sbom import UnlockedError, bill_of_materials

ROOT = Path(__file__).parents[2]


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    packages = tmp_path / "environment/lib/python3.11/site-packages"
    for name, version, rest in (
        ("productive-ingest", "0.1.0", "License-Expression: Apache-2.0\n"),
        ("Some.Library", "2.0", "License: MIT\n"),
        ("another_one", "1.5", "Classifier: License :: OSI Approved :: BSD License\n"),
    ):
        info = packages / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{rest}\n")
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    (wheels / "some_library-2.0-py3-none-any.whl").write_bytes(b"library")
    (wheels / "another_one-1.5-py3-none-any.whl").write_bytes(b"other")
    (wheels / "build_tool-9-py3-none-any.whl").write_bytes(b"never installed")
    hashes = [hashlib.sha256(content).hexdigest() for content in (b"library", b"other")]
    (tmp_path / "lock.txt").write_text("".join(f"x==1 --hash=sha256:{digest}\n" for digest in hashes))
    return tmp_path


def test_every_package_is_named_with_its_hash_and_its_license(environment: Path) -> None:
    bill = bill_of_materials(environment / "environment", environment / "wheels", environment / "lock.txt")
    assert bill["bomFormat"] == "CycloneDX"
    assert bill["metadata"]["component"]["purl"] == "pkg:pypi/productive-ingest@0.1.0"
    python, other, library = bill["components"]
    assert python["name"] == "CPython"
    assert other["purl"] == "pkg:pypi/another-one@1.5"
    assert other["licenses"] == [{"license": {"name": "BSD License"}}]
    assert library["purl"] == "pkg:pypi/some-library@2.0"
    assert library["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(b"library").hexdigest()}]


def test_the_same_packages_give_the_same_bytes(environment: Path) -> None:
    for output in ("one.json", "two.json"):
        arguments = {
            "--environment": "environment",
            "--wheels": "wheels",
            "--lock": "lock.txt",
            "--output": output,
        }
        words = [word for pair in arguments.items() for word in pair]
        command = [sys.executable, str(ROOT / "scripts/sbom.py"), *words]
        subprocess.run(command, cwd=environment, check=True)
    assert (environment / "one.json").read_bytes() == (environment / "two.json").read_bytes()


def test_a_package_that_is_not_in_the_lock_file_is_not_passed_over(environment: Path) -> None:
    (environment / "wheels/some_library-2.0-py3-none-any.whl").write_bytes(b"another content")
    with pytest.raises(UnlockedError, match=r"some-library 2\.0 is not from a wheel of the lock file"):
        bill_of_materials(environment / "environment", environment / "wheels", environment / "lock.txt")
