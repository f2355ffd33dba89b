#!/usr/bin/env bash
# Writes the lock files: every version and hash, for Python 3.11+ on any platform, naming no index host.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=(.venv/bin/python -m uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate)
.venv/bin/python -m pip install --quiet uv
printf 'hatchling\neditables\n' > requirements/build.in
"${uv[@]}" pyproject.toml requirements/build.in -o requirements/runtime.txt "$@"
"${uv[@]}" pyproject.toml requirements/build.in --extra cloud -c requirements/runtime.txt -o requirements/cloud.txt "$@"
"${uv[@]}" pyproject.toml requirements/build.in --extra cloud --group dev -c requirements/cloud.txt -o requirements/dev.txt "$@"
"${uv[@]}" requirements/bigquery-emulator.in -o requirements/bigquery-emulator.txt "$@"
