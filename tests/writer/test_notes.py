"""What the catalog lets people read in the warehouse about tables and columns."""

from __future__ import annotations

from services.writer.notes import notes_of
from services.writer.schemas import Schemas
from shared.catalog import load_catalog
from shared.catalog.selection import SelectionRules, select

CATALOG = load_catalog()


def test_every_table_and_column_of_the_catalog_has_something_to_say() -> None:
    for table in CATALOG.values():
        notes = notes_of(table)
        assert notes.description
        assert set(notes.columns) == {column.name for column in table.columns}
        # The longest that BigQuery takes.
        assert len(notes.description) <= 16_384
        assert all(0 < len(text) <= 1_024 for text in notes.columns.values())


def test_keys_say_where_they_lead() -> None:
    notes = notes_of(CATALOG["time_entries"])
    assert notes.columns["person_id"] == "The id of the person: people.id."


def test_money_says_its_unit_and_its_currency() -> None:
    columns = notes_of(CATALOG["deals"]).columns
    assert "money in minor units (cents)." in columns["cost"]
    assert "money in minor units (cents), in the organization's default currency" in columns["cost_default"]
    assert "money" not in columns["currency_default"]


def test_minutes_are_named_where_they_are_known() -> None:
    assert notes_of(CATALOG["time_entries"]).columns["time"].endswith(": minutes.")
    assert "minutes" not in notes_of(CATALOG["tasks"]).columns["worked_time"]


def test_tables_that_webhooks_feed_are_live() -> None:
    assert notes_of(CATALOG["deals"]).live
    assert not notes_of(CATALOG["activities"]).live


def test_columns_with_pseudonyms_say_so() -> None:
    rules = SelectionRules(only=("people",), hash_columns=("people.email",))
    schemas = Schemas(CATALOG, select(CATALOG, rules), rules)
    [schema] = schemas.selected()
    assert schema.notes.columns["email"].startswith("A pseudonym (keyed hash) of email")
    assert not schema.notes.columns["first_name"].startswith("A pseudonym")
