"""`schema`: what drifts is shown, taken in and dropped, and the tables follow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from services.cli.main import cli
from shared.errors import ConfigError
from tests.cli.town import Town, town

CONFIG = """
[tables]
only = ["deals", "people", "contact_entries"]

[columns]
skip = ["people.last_name"]
hash = ["people.email", "contact_entries.email"]
"""


@dataclass
class Desk:
    """A person's terminal: a town, a configuration file, and the commands."""

    town: Town
    config: Path

    def run(self, *arguments: str) -> Result:
        sandbox = self.town.sandbox
        variables = {
            "PRODUCTIVE_API_URL": sandbox.url,
            "PRODUCTIVE_API_TOKEN": sandbox.token,
            "PRODUCTIVE_ORGANIZATION_ID": sandbox.organization_id,
            "PRODUCTIVE_LIMIT_SCALE": "10000",
        }
        options = ["--data-dir", str(self.town.folder), "--config", str(self.config)]
        return CliRunner().invoke(cli, [*arguments, *options], env=variables, standalone_mode=False)

    def json(self, *arguments: str) -> Any:
        result = self.run(*arguments, "--json")
        if result.exception is not None:
            raise result.exception
        return json.loads(result.stdout)

    def mistake(self, *arguments: str) -> ConfigError:
        error = self.run(*arguments).exception
        assert isinstance(error, ConfigError)
        return error


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    config = tmp_path / "productive-ingest.toml"
    config.write_text(CONFIG)
    with town(tmp_path / "data") as place:
        yield Desk(place, config)


def test_a_new_field_is_shown_added_and_filled(desk: Desk) -> None:
    desk.town.sandbox.faults.extra_attributes["deals"] = {"renewal_on": "2027-01-31", "score": 7}
    count = desk.town.sandbox.organization.count("deals")
    desk.json("backfill")
    drift = desk.json("schema", "diff")["tables"]
    assert drift["deals"]["new"] == [
        {"field": "renewal_on", "types": {"string": count}, "column": "renewal_on", "type": "DATE"},
        {"field": "score", "types": {"integer": count}, "column": "score", "type": "INT64"},
    ]
    assert "2027-01-31" not in desk.run("schema", "diff").output

    assert desk.json("schema", "add", "deals.renewal_on")["type"] == "DATE"
    assert desk.json("schema", "add", "deals.score", "--type", "NUMERIC")["outcome"] == "new"
    assert [
        one["field"] for one in desk.json("schema", "diff")["tables"].get("deals", {}).get("new", [])
    ] == []
    desk.json("backfill")
    rows = desk.town.rows("select distinct cast(renewal_on as varchar), typeof(score) from deals")
    assert rows == [("2027-01-31", "DECIMAL(38,9)")]
    assert desk.json("schema", "add", "deals.score")["outcome"] == "there"
    assert "renewal_on" in desk.run("tables", "show", "deals").output


def test_a_crawl_that_brings_only_changes_does_not_forget_what_drifted(desk: Desk) -> None:
    desk.town.sandbox.faults.extra_attributes["people"] = {"score": 7}
    desk.json("backfill", "-t", "people")
    before = desk.json("schema", "diff")["tables"]["people"]
    assert before["new"][0]["field"] == "score"
    desk.json("backfill", "-t", "people")
    after = desk.json("schema", "diff")["tables"]["people"]
    assert after["new"][0]["types"]["integer"] >= before["new"][0]["types"]["integer"]


def test_a_dropped_column_is_gone_stays_empty_and_can_be_taken_in_again(desk: Desk) -> None:
    desk.json("backfill")
    assert desk.town.rows("select count(first_name) > 0 from people") == [(True,)]
    answer = desk.json("schema", "drop", "people.first_name", "--yes")
    assert answer["dropped"]
    assert answer["values"] > 0
    columns = "select count(*) from information_schema.columns where column_name = 'first_name'"
    assert desk.town.rows(columns) == [(0,)]
    desk.json("backfill")
    assert desk.town.rows(columns) == [(0,)]
    assert desk.json("schema", "add", "people.first_name")["outcome"] == "back"
    desk.json("backfill")
    assert desk.town.rows("select count(first_name) > 0 from people") == [(True,)]


def test_nothing_is_dropped_unless_somebody_says_so(desk: Desk) -> None:
    desk.json("backfill")
    result = desk.run("schema", "drop", "people.first_name")
    assert "Nothing was dropped; --yes does it." in result.output
    assert desk.town.rows("select count(first_name) > 0 from people") == [(True,)]


def test_hashed_columns_join_and_nothing_of_what_is_private_is_in_any_file(desk: Desk) -> None:
    organization = desk.town.sandbox.organization
    person = organization.ids("people")[0]
    organization.put(
        "people", person, attributes={"email": "secret.ada@example.com", "last_name": "Lovelacevonprivate"}
    )
    entry = organization.put("contact_entries", attributes={"email": "secret.ada@example.com"})
    desk.json("backfill")
    joined = (
        "select e.id, length(p.email) from people p join contact_entries e using (email) where p.id = '{}'"
    )
    assert desk.town.rows(joined.format(person)) == [(entry, 64)]
    verdicts = desk.json("verify")
    assert {one["table"]: one["different"] for one in verdicts["tables"]} == {
        "people": [],
        "deals": [],
        "contact_entries": [],
    }
    key = json.loads((desk.town.folder / "secrets.json").read_text())["column_hash_key"]
    for file in desk.town.folder.rglob("*"):
        if file.is_file() and file.name != "secrets.json":
            data = file.read_bytes()
            assert b"secret.ada@example" not in data, file
            assert b"Lovelacevonprivate" not in data, file
            assert key.encode() not in data, file


def test_a_column_that_is_hashed_later_is_read_again_and_its_clear_values_are_replaced(desk: Desk) -> None:
    desk.config.write_text('[tables]\nonly = ["people"]\n')
    desk.json("backfill")
    assert desk.town.rows("select count(*) > 0 from people where email like '%@%'") == [(True,)]
    desk.config.write_text('[tables]\nonly = ["people"]\n[columns]\nhash = ["people.email"]\n')
    desk.json("backfill")
    assert desk.town.rows("select count(*) from people where email like '%@%'") == [(0,)]
    assert desk.town.rows("select count(*) > 0 from people where length(email) = 64") == [(True,)]


def test_a_column_of_another_type_is_hashed_after_it_was_dropped_and_added(desk: Desk) -> None:
    desk.config.write_text('[tables]\nonly = ["people"]\n')
    desk.json("backfill")
    desk.config.write_text('[tables]\nonly = ["people"]\n[columns]\nhash = ["people.joined_at"]\n')
    retyped = desk.json("schema", "diff")["tables"]["people"]["retyped"]
    assert retyped == [{"column": "joined_at", "in_warehouse": "TIMESTAMP", "selected": "STRING"}]
    assert desk.run("backfill").exception is not None
    desk.json("schema", "drop", "people.joined_at", "--yes")
    desk.json("schema", "add", "people.joined_at")
    desk.json("backfill")
    assert desk.town.rows(
        "select distinct typeof(joined_at), length(joined_at) from people where joined_at is not null"
    ) in (
        [("VARCHAR", 64)],
        [],
    )


def test_a_column_that_is_not_selected_any_more_is_found_in_the_warehouse(desk: Desk) -> None:
    desk.json("backfill")
    desk.config.write_text('[tables]\nonly = ["people"]\n[columns]\nskip = ["people.email"]\n')
    assert (
        desk.json("schema", "diff", "-t", "people")["tables"]["people"]["left_behind"]
        == ["email", "last_name"][:1]
    )
    output = desk.run("tables", "show", "people").output
    assert "no (skipped)" in output


def test_mistakes_are_told_with_the_nearest_right_name(desk: Desk) -> None:
    desk.town.sandbox.faults.extra_attributes["deals"] = {"renewal_on": "2027-01-31", "odd name": 1}
    desk.json("backfill", "-t", "deals")
    assert desk.mistake("schema", "add", "deals").message == "'deals' names no field"
    assert desk.mistake("schema", "add", "deal.renewal_on").advice.startswith("did you mean 'deals'?")
    assert desk.mistake("schema", "add", "deals.renewal").advice.startswith("Did you mean deals.renewal_on?")
    assert "letters, digits" in desk.mistake("schema", "add", "deals.odd name").message
    assert "cannot be INT64" in desk.mistake("schema", "add", "deals.name", "--type", "INT64").message
    assert f"{desk.config}:6" in desk.mistake("schema", "add", "people.last_name").advice
    assert desk.mistake("schema", "drop", "people.id", "--yes").message == "people.id cannot be dropped"
    assert desk.mistake("schema", "drop", "people._unparsed").message == "people._unparsed cannot be dropped"
    assert "people.email" in desk.mistake("schema", "drop", "people.emial").advice


def test_a_drop_leaves_nothing_in_clear_in_the_history_either(desk: Desk) -> None:
    desk.config.write_text('[tables]\nonly = ["people"]\nhistory = ["people"]\n')
    organization = desk.town.sandbox.organization
    person = organization.ids("people")[0]
    desk.json("backfill")
    organization.put("people", person, attributes={"email": "new@example.com"})
    desk.json("backfill")
    states = f"select count(*), count(*) filter (email like '%@%') from people_history where id = '{person}'"
    assert desk.town.rows(states) == [(2, 2)]
    desk.config.write_text(
        '[tables]\nonly = ["people"]\nhistory = ["people"]\n[columns]\nhash = ["people.email"]\n'
    )
    desk.json("schema", "drop", "people.email", "--yes")
    desk.json("schema", "add", "people.email")
    desk.json("backfill")
    [(count, clear)] = desk.town.rows(states)
    assert count >= 2
    assert clear == 0
    assert desk.town.rows(f"select length(email) from people where id = '{person}'") == [(64,)]
