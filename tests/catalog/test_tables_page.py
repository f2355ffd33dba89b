"""docs/tables.md says of every table and column what a person needs."""

from __future__ import annotations

import re

import pytest

from scripts.tables_page import render_page
from shared.catalog import Table, load_catalog
from shared.catalog.facts import read_facts
from shared.catalog.types import DUCKDB_TYPES

CATALOG = load_catalog()
PAGE = render_page(tuple(CATALOG.values()), read_facts())
SECTIONS = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))

every_table = pytest.mark.parametrize("table", CATALOG.values(), ids=list(CATALOG))


@every_table
def test_a_table_is_in_the_overview_and_has_a_section(table: Table) -> None:
    assert f"| [{table.name}](#{table.name}) | {table.set} |" in SECTIONS["Overview"]
    assert table.name in SECTIONS


@every_table
def test_a_section_has_a_row_for_each_column_with_both_types(table: Table) -> None:
    rows = [line for line in SECTIONS[table.name].splitlines() if line.startswith("| `")]
    assert len(rows) == len(table.columns)
    for row, column in zip(rows, table.columns, strict=True):
        cells = [cell.strip().strip("`") for cell in row.strip("|").split("|")]
        assert cells[:3] == [column.name, str(column.type), DUCKDB_TYPES[column.type]]
        assert cells[3] == (f"[{column.references}](#{column.references})" if column.references else "")
        assert ("guessed type" in cells[4]) is column.guessed
        assert ("credential" in cells[4]) is column.secret


@every_table
def test_a_section_has_every_note_and_event(table: Table) -> None:
    section = SECTIONS[table.name]
    for note in table.notes:
        assert f"\n- {note}\n" in section
    for ids in table.events.values():
        assert f"({', '.join(map(str, ids))})" in section


def test_every_link_leads_to_a_heading() -> None:
    headings = {heading.lower() for heading in re.findall(r"^#+ (\w+)$", PAGE, re.MULTILINE)}
    assert set(re.findall(r"\]\(#(\w+)\)", PAGE)) <= headings


def test_angle_brackets_stand_in_code_only() -> None:
    without_code = re.sub(r"`[^`]*`|<!--.*?-->", "", PAGE)
    assert "<" not in without_code


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ("tasks", "Synced as changes since a time, by `filter[updated_at]`; `updated_at` tells"),
        ("services", "by `filter[updated_at]`; the time of reading tells"),
        ("tags", "Synced as the whole table each time; the time of reading tells"),
        ("boards", "Read from `/boards`, or `/folders` where that answers 404"),
        ("bookings", "Read from `/bookings` with `filter[with_draft]=true`"),
        ("expenses", "by page number sorted by `id`. Synced by default."),
        ("timesheet_reports", "Read from `/reports/timesheet_reports`, by page number. Synced by default."),
        ("teams", "Off by default."),
        ("invitations", "Not readable: the API has no list of it."),
        ("deals", "Webhook events: created (3, 4), changed (12, 16), deleted (13, 20)."),
        ("people", "archived (28)."),
        ("memberships", "| a record of `agents`, which is no table |"),
        ("bookings", "| `origin_id` | STRING | VARCHAR |  | see `origin_type` |"),
        ("companies", "| [companies](#companies) | the attribute `parent_company_id` |"),
    ],
)
def test_a_section_tells_how_its_table_is_read(table: str, sentence: str) -> None:
    assert sentence in SECTIONS[table]
