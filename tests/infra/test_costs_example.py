"""The worked example of the costs is what Terraform makes by default, and can be checked by hand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.costs_example import FIFTY, REGION, knobs
from services.cli.render.costs import total
from shared.catalog import load_catalog
from shared.config.settings import SETTINGS
from shared.google.costs import DAYS, estimate
from shared.google.prices import REGIONS

ROOT = Path(__file__).parents[2]
VARIABLES = (ROOT / "infra/terraform/variables.tf").read_text(encoding="utf-8")
GIB = {"512Mi": 0.5, "1Gi": 1.0}


def default(variable: str, key: str) -> str:
    """The default of one key of a variable that is an object."""
    block = VARIABLES.partition(f'variable "{variable}" {{')[2].partition("\nvariable ")[0]
    found = re.search(rf'{key} += optional\(\w+, "?([^")]+)"?\)', block)
    assert found, f"{variable}.{key}"
    return found[1]


def test_the_instances_are_those_that_terraform_starts() -> None:
    ingest, writer = int(default("ingest", "min_instances")), int(default("writer", "instances"))
    assert FIFTY.vcpus == ingest * int(default("ingest", "cpu")) + writer * int(default("writer", "cpu"))
    assert FIFTY.gib == ingest * GIB[default("ingest", "memory")] + writer * GIB[default("writer", "memory")]


def test_the_schedules_and_the_region_are_those_of_terraform() -> None:
    assert re.fullmatch(r"\d+ \* \* \* \*", default("schedules", "changes")), "once an hour"
    assert FIFTY.crawls_per_day == 24
    assert default("schedules", "webhooks") == "*/30 * * * *"
    assert re.search(r'variable "region" {[^}]*?default += "europe-west1"', VARIABLES, re.DOTALL)
    assert REGION == "eu"


def test_the_tables_are_those_that_are_synced_by_default() -> None:
    chosen = {table.name for table in load_catalog().values() if table.selected_by_default}
    assert {table.name for table in FIFTY.tables} == chosen


def test_the_line_of_cloud_run_comes_out_as_the_page_says_to_reckon_it() -> None:
    seconds, per_minute = DAYS * 86_400, DAYS * 60
    prices = REGIONS[REGION]
    jobs = per_minute * FIFTY.crawl_minutes_per_day
    by_hand = (seconds * FIFTY.vcpus + jobs - 240_000) * 0.000_018
    by_hand += (seconds * FIFTY.gib + jobs - 450_000) * 0.000_002
    [line] = [one for one in estimate(FIFTY, prices) if one.service == "Cloud Run"]
    assert line.dollars == pytest.approx(by_hand)
    page = (ROOT / "docs/costs.md").read_text(encoding="utf-8")
    assert f"{round(seconds, -3):,.0f} s × vCPUs" in page
    assert f"{per_minute:,.0f} s × minutes" in page


def test_every_knob_is_a_setting_that_there_is_and_changes_something() -> None:
    first, *others = knobs()
    assert first.usage == FIFTY
    base = total(estimate(FIFTY, REGIONS[REGION]))
    for knob in others:
        assert total(estimate(knob.usage, REGIONS[REGION])) != pytest.approx(base, abs=0.01)
        for name in re.findall(r"`([a-z_]+(?:\.[a-z_]+)?)[ `]", knob.setting):
            first_part, _, key = name.partition(".")
            in_file = any(setting.key == name for setting in SETTINGS)
            in_terraform = f'variable "{first_part}"' in VARIABLES and re.search(rf"\b{key}\b", VARIABLES)
            assert in_file or in_terraform or re.search(rf"^    {name} +=", VARIABLES, re.MULTILINE), name
