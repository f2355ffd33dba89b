"""Writes which packages an environment holds, as CycloneDX JSON: the bill of materials of the image.

Each package has the SHA-256 of the wheel that it came from, and that hash has to be in the lock file. The
same input gives the same bytes. Needs nothing but Python, because it runs while the image is built.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import re
import sys
import uuid
from collections.abc import Mapping
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any, Final

OURS: Final = "productive-ingest"
_LONGEST_LICENSE: Final = 80
"""Characters; some packages have the whole text where its name should be."""

_LOCKED: Final = re.compile(r"--hash=sha256:([0-9a-f]{64})")


class UnlockedError(Exception):
    """A package is there that the lock file does not know."""


def bill_of_materials(environment: Path, wheels: Path, lock: Path) -> dict[str, Any]:
    """The document; `UnlockedError` for a package whose wheel is missing or is not in the lock file."""
    hashes = _hashes_of(wheels)
    locked = set(_LOCKED.findall(lock.read_text(encoding="utf-8")))
    found = sorted(distributions(path=_site_packages(environment)), key=lambda one: normalized(one.name))
    components = [_component(one, hashes, locked) for one in found if normalized(one.name) != OURS]
    [ours] = [one for one in found if normalized(one.name) == OURS]
    python = {
        "type": "platform",
        "bom-ref": "python",
        "name": "CPython",
        "version": platform.python_version(),
        "purl": f"pkg:generic/python@{platform.python_version()}",
    }
    body = {
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": purl(ours),
                "name": OURS,
                "version": ours.version,
                "purl": purl(ours),
            }
        },
        "components": [python, *components],
    }
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(body, sort_keys=True))
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        **body,
    }


def normalized(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def purl(distribution: Distribution) -> str:
    """The package URL that scanners look up."""
    return f"pkg:pypi/{normalized(distribution.name)}@{distribution.version}"


def _component(
    distribution: Distribution, hashes: Mapping[tuple[str, str], str], locked: set[str]
) -> dict[str, Any]:
    name, version = normalized(distribution.name), distribution.version
    digest = hashes.get((name, version))
    if digest not in locked:
        raise UnlockedError(f"{name} {version} is not from a wheel of the lock file")
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": purl(distribution),
        "name": name,
        "version": version,
        "purl": purl(distribution),
        "hashes": [{"alg": "SHA-256", "content": digest}],
    }
    license_ = _license(distribution)
    return {**component, "licenses": [license_]} if license_ else component


def _license(distribution: Distribution) -> dict[str, Any] | None:
    """As the package says it: an SPDX expression, a word, or a classifier."""

    def said(field: str) -> list[str]:
        return [str(value).strip() for value in distribution.metadata.get_all(field) or ()]

    for expression in said("License-Expression"):
        return {"expression": expression}
    words = [word for word in said("License") if word and len(word) < _LONGEST_LICENSE and "\n" not in word]
    classified = [one.rpartition(" :: ")[2] for one in said("Classifier") if one.startswith("License :: ")]
    for name in (*words, *classified):
        return {"license": {"name": name}}
    return None


def _hashes_of(wheels: Path) -> dict[tuple[str, str], str]:
    """SHA-256 of every wheel by name and version, which are the first two parts of its file's name."""
    found = {}
    for wheel in wheels.glob("*.whl"):
        name, version, *_ = wheel.name.split("-")
        found[normalized(name), version] = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return found


def _site_packages(environment: Path) -> list[str]:
    return [str(folder) for folder in environment.glob("lib/python*/site-packages")]


def main() -> int:
    """Write the file; exit code 1 when a package is not locked."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("environment", "wheels", "lock", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    given = parser.parse_args()
    try:
        document = bill_of_materials(given.environment, given.wheels, given.lock)
    except UnlockedError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    given.output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
