"""Every row of every table arrives exactly."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from shared.catalog import load_catalog
from tests.e2e import agency
from tests.e2e.expected import assert_same
from tests.e2e.harness import Ended, Home
from tests.e2e.server import Productive


def assert_warehouse_equals_source(home: Home, productive: Productive, ended: Ended) -> None:
    """All tables of the source, row by row, and the summary's counts of them."""
    summary = ended.ok().json
    assert summary["complete"] is True
    for path, table in productive.tables.items():
        if table.status == 200 and path in load_catalog():
            assert_same(path, table.resources, home.rows(path) if table.resources else {})
            assert summary["tables"][path]["records"] == len(table.resources)


def test_an_agency_of_58_tables_arrives_row_by_row(home: Home, productive: Productive) -> None:
    agency.fill(productive)
    ended = home.run("backfill", "--json")
    assert_warehouse_equals_source(home, productive, ended)
    default = {table.name: table.path for table in load_catalog().default_tables()}
    assert set(ended.json["tables"]) == set(default)
    # One request per 200 records of a table, and one for an empty table.
    least = productive.least_requests(list(default.values()))
    assert len(productive.asked) == ended.json["requests"] <= 1.05 * least


def test_values_nobody_would_think_of_arrive_or_are_kept(home: Home, productive: Productive) -> None:
    home.only("deals")
    productive.fill("deals", agency.odd_deals())
    ended = home.run("backfill", "--json")
    assert_warehouse_equals_source(home, productive, ended)
    rows = home.rows("deals")
    assert rows["odd-0"]["name"] == "emoji \U0001f469\u200d\U0001f680 and \u202eright to left"
    assert rows["odd-0"]["position"] == 9_007_199_254_740_993
    assert rows["odd-1"]["name"] == "a NUL \x00 in the middle"
    assert rows["odd-2"]["name"] == "half a pair \\ud83d, a whole one \U0001f600"
    assert rows["odd-4"]["_unparsed"] == '{"position":18446744073709551621}'
    assert rows["odd-14"]["revenue"] == Decimal("12345678901234567890123456789.123456789")
    assert '"2":18446744073709551617' in rows["odd-19"]["custom_fields"]
    assert "0.1000000000000000055511151231" in rows["odd-19"]["custom_fields"]
    assert "9" * 1000 in rows["odd-20"]["custom_fields"]
    assert ended.json["tables"]["deals"]["unparsed"]["position"] == 7


def test_relationships_become_foreign_keys(home: Home, productive: Productive) -> None:
    home.only("tasks")
    productive.fill("tasks", agency.oddly_related())
    ended = home.run("backfill", "--json")
    assert_warehouse_equals_source(home, productive, ended)
    rows = home.rows("tasks")
    assert rows["1"]["project_id"] == "1-projects"
    assert "assignee_id" not in rows["1"]
    assert (rows["3"]["template_object_id"], rows["3"]["template_object_type"]) == ("5", "projects")
    assert (rows["4"]["template_object_id"], rows["4"]["template_object_type"]) == ("5", "task_lists")
    assert "attachments_ids" not in rows["3"], "what is not included is not known to be empty"
    assert rows["7"].keys() & load_catalog_columns("tasks") == {"id"}


def test_lists_of_ids_arrive_where_they_are_given(home: Home, productive: Productive) -> None:
    home.only("workflows")
    of = [agency.to("workflow_statuses", id_) for id_ in ("3", "1", "2")]
    source = [
        agency.resource("workflows", "1", {}, {"workflow_statuses": of}),
        agency.resource("workflows", "2", {}, {"workflow_statuses": []}),
    ]
    productive.fill("workflows", source, unasked=frozenset({"workflow_statuses"}))
    home.run("backfill").ok()
    rows = home.rows("workflows")
    assert rows["1"]["workflow_statuses_ids"] == ["3", "1", "2"]
    assert rows["2"]["workflow_statuses_ids"] == []


def load_catalog_columns(table: str) -> set[str]:
    return {column.name for column in load_catalog()[table].columns}


def test_fields_never_heard_of_are_counted_and_not_added(home: Home, productive: Productive) -> None:
    home.only("tags")
    productive.fill(
        "tags",
        [
            agency.resource("tags", "1", {"name": "a", "shade": 5, "_unparsed": {}}, {"owner": None}),
            agency.resource("tags", "2", {"name": "b", "shade": "red", "id": "9"}),
            agency.resource("tags", "3", {"name": "c", "shade": 7}),
        ],
    )
    summary = home.run("backfill", "--json").ok().json
    assert summary["tables"]["tags"]["unknown"] == {
        "shade: integer": 2,
        "shade: string": 1,
        "_unparsed: object": 1,
        "id: string": 1,
        "owner: relationship": 1,
        "organization: relationship": 3,
    }
    rows = home.rows("tags")
    assert [row["name"] for row in rows.values()] == ["a", "b", "c"]
    assert all(
        not row.keys() & {"shade", "owner_id", "organization_id", "_unparsed"} for row in rows.values()
    )


def test_tables_that_cannot_be_had_are_named_and_hold_up_nothing(home: Home, productive: Productive) -> None:
    agency.fill(productive, scale=0.1)
    productive.fill("salaries", [], status=403, code="forbidden")
    productive.fill("rate_cards", [], status=402, code="payment_required")
    productive.fill("timers", [], status=404, code="route_not_found")
    productive.fill("boards", [], status=404, code="route_not_found")
    productive.fill("folders", [agency.resource("folders", "5", {"name": "Board"})])
    ended = home.run("backfill", "--json")
    tables = ended.ok().json["tables"]
    assert {name for name, table in tables.items() if table["status"] == "unavailable"} == {
        "salaries",
        "rate_cards",
        "timers",
    }
    assert "permission" in tables["salaries"]["reason"]
    assert "plan" in tables["rate_cards"]["reason"]
    assert "no such list" in tables["timers"]["reason"]
    assert tables["boards"]["status"] == "done"
    assert home.rows("boards")["5"]["name"] == "Board"
    assert_same("tasks", productive.tables["tasks"].resources, home.rows("tasks"))
    told = home.run("backfill").ok()
    assert "not available: salaries: the token's owner has no permission to see it" in told.stdout
    assert sum(asked.path == "boards" for asked in productive.asked) == 1, "the fallback is remembered"


@pytest.mark.parametrize("cursor", ["refused", "ignored"])
def test_lists_without_a_cursor_are_read_by_page_number(
    home: Home, productive: Productive, cursor: str
) -> None:
    home.only("tasks", "time_entries", "people", "booking_reports")
    reports = [agency.resource("booking_reports", str(n), {"total_time": n}) for n in range(401)]
    productive.fill("reports/booking_reports", reports, cursor="refused")
    productive.fill("tasks", agency.tasks(450), cursor=cursor)
    productive.fill("people", agency.people(200), cursor=cursor)
    productive.fill("time_entries", [], cursor=cursor)
    ended = home.run("backfill", "--json")
    assert_warehouse_equals_source(home, productive, ended)
    assert_same("booking_reports", reports, home.rows("booking_reports"))
    first = next(asked for asked in productive.asked if asked.path == "reports/booking_reports")
    assert "page[after]" not in first.query
    assert max(productive.pages_read().values()) == 1


def test_includes_and_sorts_that_are_refused_cost_only_themselves(home: Home, productive: Productive) -> None:
    home.only("tasks", "people")
    source = agency.tasks(250)
    productive.fill(
        "tasks",
        source,
        cursor="refused",
        refused_includes=frozenset({"task_list", "workflow_status"}),
        refused_sorts=frozenset({"id"}),
    )
    ended = home.run("backfill", "--json").ok()
    assert ended.json["tables"]["tasks"]["includes_refused"] == ["task_list", "workflow_status"]
    rows = home.rows("tasks")
    assert len(rows) == 250
    for one in source:
        del one["relationships"]["task_list"]
    assert_same("tasks", source, rows)


def test_drafts_are_asked_for(home: Home, productive: Productive) -> None:
    home.only("bookings")
    source = [agency.resource("bookings", str(n), {"draft": n % 2 == 0}) for n in range(10)]
    productive.fill("bookings", source, hides_drafts=True)
    home.run("backfill").ok()
    assert_same("bookings", source, home.rows("bookings"))


def test_compressed_answers_are_read(home: Home, productive: Productive) -> None:
    home.only("tasks")
    productive.compress = True
    productive.fill("tasks", agency.tasks(230))
    assert_warehouse_equals_source(home, productive, home.run("backfill", "--json"))


def test_a_record_without_an_id_is_set_aside_and_the_others_arrive(
    home: Home, productive: Productive
) -> None:
    home.only("tags")
    nameless: dict[str, Any] = {"type": "tags", "attributes": {"name": "no id"}}
    productive.fill("tags", [agency.resource("tags", "1"), nameless, agency.resource("tags", "2")])
    summary = home.run("backfill", "--json").ok().json
    assert summary["tables"]["tags"]["rejected"] == 1
    assert set(home.rows("tags")) == {"1", "2"}
    letters: Mapping[str, Any] = home.run("deadletters", "list", "--json").ok().json
    assert [letter["reason"] for letter in letters["dead_letters"]] == ["tags: it has no id"]


def test_an_empty_list_becomes_an_empty_table(home: Home, productive: Productive) -> None:
    home.only("tags", "people")
    productive.fill("people", agency.people(3))
    home.run("backfill").ok()
    assert home.execute("SELECT count(*), count(color_id) FROM tags") == [(0, 0)]
    assert home.execute("SELECT count(*) FROM people LEFT JOIN tags ON tags.id = people.id") == [(3,)]
