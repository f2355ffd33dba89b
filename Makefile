# Needs only Python 3.11+ and make: everything else is set up in .venv from the lock file.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
CLOUD  := $(VENV)/.installed-cloud
DEV    := $(VENV)/.installed-dev
EMULATOR := $(VENV)/.installed-bigquery-emulator

.DEFAULT_GOAL := help
.PHONY: help demo test test-gcp coverage lint format bench catalog lock cloud bigquery-emulator clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "productive-ingest needs Python 3.11 or newer; set PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "could not make $(VENV); on Debian or Ubuntu: apt-get install python3-venv"; rm -rf $(VENV); exit 1; }

$(STAMP): $(BIN)/python requirements/runtime.txt pyproject.toml
	@echo "setting up $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/runtime.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV): $(STAMP) requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

$(CLOUD): $(STAMP) requirements/cloud.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/cloud.txt
	@touch $@

# It wants other versions of our own dependencies, so it has an environment to itself. Without it the tests
# of the warehouse on BigQuery are skipped, and say so.
$(EMULATOR): $(BIN)/python requirements/bigquery-emulator.txt
	@echo "setting up the BigQuery emulator for the tests ..."
	@$(PYTHON) -m venv $(VENV)/bigquery-emulator
	@$(VENV)/bigquery-emulator/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bigquery-emulator.txt && touch $@ || { rm -rf $(VENV)/bigquery-emulator; echo "the BigQuery emulator could not be installed; its tests will be skipped"; }

bigquery-emulator: $(EMULATOR)

demo: $(STAMP) ## crawl the sandbox organization into a DuckDB file and query it
	@$(BIN)/productive-ingest demo

test: $(DEV) $(EMULATOR) ## run the whole test suite
	@$(BIN)/python -m pytest -n 2 --dist worksteal

test-gcp: $(DEV) ## run the contracts and a whole run on a real project: make test-gcp PROJECT=...
	@test -n "$(PROJECT)" || { echo "say which project: make test-gcp PROJECT=my-project (things are made there, and removed again)"; exit 2; }
	@PRODUCTIVE_INGEST_TEST_PROJECT=$(PROJECT) $(BIN)/python -m pytest tests/gcp --timeout 1800

coverage: $(DEV) $(EMULATOR) ## run the whole test suite and tell which lines it did not reach; half as slow again
	@$(BIN)/python -m pytest -n 2 --dist worksteal --cov --cov-report=term

lint: $(DEV) ## formatting, lint rules and types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/python scripts/generate_catalog.py --check
	@$(BIN)/python scripts/metrics_page.py --check
	@$(BIN)/python -m scripts.terraform_checks
	@$(BIN)/python scripts/costs_page.py --check

format: $(DEV) ## format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(DEV) ## measure the ratios that docs/benchmarks.md reports
	@$(BIN)/python -m bench

catalog: $(DEV) ## generate the catalog and docs/tables.md from the facts
	@$(BIN)/python scripts/generate_catalog.py

lock: $(DEV) ## refresh the lock files from pyproject.toml
	@scripts/lock.sh

cloud: $(CLOUD) ## set up with Google's clients, for the stores on Google Cloud

clean: ## remove what make set up
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis
