"""The make-believe agency: everything fits together, for any seed."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from services.sandbox import Organization, SandboxSettings
from services.sandbox.schema import load_schema
from services.sandbox.world import build
from services.sandbox.zone import instant
from shared.catalog import ColumnType
from shared.clock import SystemClock

SEEDS = ((1, 9), (2, 3), (77, 2), (2026, 14))


def _organization(seed: int, people: int) -> Organization:
    return build(SandboxSettings(seed=seed, people=people), SystemClock())


@pytest.fixture(params=SEEDS, ids=lambda pair: f"seed {pair[0]}")
def organization(request: pytest.FixtureRequest) -> Organization:
    return _organization(*request.param)


def _linked(record: dict[str, Any], name: str) -> str | None:
    data = record["relationships"][name]["data"]
    return data["id"] if data else None


def _sum_by(organization: Organization, table: str, link: str, field: str) -> dict[str | None, Decimal]:
    sums: defaultdict[str | None, Decimal] = defaultdict(Decimal)
    for record in organization.resources(table):
        sums[_linked(record, link)] += Decimal(str(record["attributes"][field]))
    return sums


def test_every_foreign_key_leads_to_a_record(organization: Organization) -> None:
    """`people.user_id` is the one exception: the API shows nobody's user but the caller's."""
    schema = load_schema()
    ids = {table: set(organization.ids(table)) for table in organization.tables}
    tables = {schema[table].type: table for table in organization.tables}
    links = 0
    for table in organization.tables:
        resource = schema[table]
        for record in organization.resources(table):
            for name, relationship in record["relationships"].items():
                data = relationship["data"]
                assert isinstance(data, list) is resource.relations[name].many
                for end in data if isinstance(data, list) else [data] if data else []:
                    assert end["id"] in ids[tables[end["type"]]], (table, name)
                    target = resource.relations[name].target
                    assert target is None or schema[target].type == end["type"]
                    links += 1
            for field, target in resource.references.items():
                value = record["attributes"][field]
                assert value is None or (isinstance(value, int) and str(value) in ids[target]), (table, field)
    assert links > 1_000


def test_a_key_that_is_an_attribute_and_a_relationship_says_the_same_twice(
    organization: Organization,
) -> None:
    for record in organization.resources("deals"):
        own, linked = record["attributes"]["origin_deal_id"], _linked(record, "origin_deal")
        assert own == (int(linked) if linked else None)


def test_every_listable_table_has_rows_with_all_the_attributes(organization: Organization) -> None:
    for table in organization.tables:
        assert organization.count(table) > 0, table
        expected = set(load_schema()[table].attributes)
        for record in organization.resources(table):
            assert set(record["attributes"]) == expected
            assert set(record["relationships"]) == set(load_schema()[table].relations)


def test_ids_are_unique_and_rise(organization: Organization) -> None:
    for table in organization.tables:
        ids = [int(identifier) for identifier in organization.ids(table)]
        assert ids == sorted(set(ids))


def test_times_and_dates_have_the_apis_format_and_nothing_was_changed_before_it_was_created(
    organization: Organization,
) -> None:
    for table in organization.tables:
        kinds = load_schema()[table].attributes
        for record in organization.resources(table):
            attributes = record["attributes"]
            for field, kind in kinds.items():
                value = attributes[field]
                if value is None:
                    continue
                if kind is ColumnType.TIMESTAMP:
                    assert len(value) == 29, (table, field, value)
                    assert value[-6:] in ("+01:00", "+02:00")
                    instant(value)
                elif kind is ColumnType.DATE:
                    assert date.fromisoformat(value).isoformat() == value, (table, field)
            if attributes.get("created_at") and kinds["created_at"] is ColumnType.TIMESTAMP:
                for later in ("updated_at", "last_activity_at"):
                    if attributes.get(later):
                        assert instant(attributes[later]) >= instant(attributes["created_at"]), (table, later)


def test_nothing_changed_after_the_last_evening(organization: Organization) -> None:
    evening = instant("2026-11-20T17:00:00+01:00")
    for table in organization.tables:
        for record in organization.resources(table):
            for field in ("created_at", "updated_at", "last_activity_at"):
                value = record["attributes"].get(field)
                if value and load_schema()[table].attributes[field] is ColumnType.TIMESTAMP:
                    assert instant(value) <= evening, (table, field, value)


def test_amounts_are_numbers_and_rates_are_texts(organization: Organization) -> None:
    for record in organization.resources("deals"):
        attributes = record["attributes"]
        assert isinstance(attributes["exchange_rate"], str)
        rate = Decimal(attributes["exchange_rate"])
        for name in ("revenue", "cost", "budget_total", "invoiced"):
            assert isinstance(attributes[name], int | float)
            converted = Decimal(str(attributes[name])) * rate
            assert abs(converted - Decimal(str(attributes[f"{name}_default"]))) < Decimal("0.0001")
            assert attributes[f"{name}_default"] == attributes[f"{name}_normalized"]


def test_some_amounts_have_decimals_and_some_have_none(organization: Organization) -> None:
    costs = [record["attributes"]["cost"] for record in organization.resources("time_entries")]
    assert any(isinstance(cost, float) for cost in costs)
    amounts = [record["attributes"]["amount"] for record in organization.resources("line_items")]
    assert all(isinstance(amount, int) for amount in amounts)


def test_nobody_works_more_than_ten_hours_or_on_a_weekend(organization: Organization) -> None:
    days: Counter[tuple[str | None, str]] = Counter()
    for record in organization.resources("time_entries"):
        day = record["attributes"]["date"]
        assert date.fromisoformat(day).weekday() < 5
        days[_linked(record, "person"), day] += record["attributes"]["time"]
    assert days
    assert max(days.values()) <= 600


def test_time_entries_cost_what_the_salary_says(organization: Organization) -> None:
    rates = {
        _linked(salary, "person"): Decimal(salary["attributes"]["hourly_rate"])
        for salary in organization.resources("salaries")
    }
    for record in organization.resources("time_entries"):
        attributes = record["attributes"]
        cost = Decimal(attributes["time"]) / 60 * rates[_linked(record, "person")]
        assert abs(cost - Decimal(str(attributes["cost"]))) < Decimal("0.0001")


def test_services_earn_their_billable_hours(organization: Organization) -> None:
    worked = _sum_by(organization, "time_entries", "service", "time")
    billable = _sum_by(organization, "time_entries", "service", "billable_time")
    for service in organization.resources("services"):
        attributes = service["attributes"]
        assert attributes["worked_time"] == worked[service["id"]]
        assert attributes["billable_time"] == billable[service["id"]]
        revenue = billable[service["id"]] * Decimal(attributes["price"]) / 60
        assert abs(revenue - Decimal(str(attributes["revenue"]))) < Decimal("0.0001")
        profit = Decimal(str(attributes["revenue"])) - Decimal(str(attributes["cost"]))
        assert abs(profit - Decimal(str(attributes["profit"]))) < Decimal("0.0001")


def test_budgets_are_the_sum_of_their_services(organization: Organization) -> None:
    for field in ("revenue", "cost", "budget_total", "worked_time"):
        sums = _sum_by(organization, "services", "deal", field)
        for deal in organization.resources("deals"):
            if deal["attributes"]["budget"]:
                assert abs(sums[deal["id"]] - Decimal(str(deal["attributes"][field]))) < Decimal("0.01")


def test_invoices_are_the_sum_of_their_lines(organization: Organization) -> None:
    assert organization.count("invoices")
    for field in ("amount", "amount_tax", "amount_with_tax"):
        sums = _sum_by(organization, "line_items", "invoice", field)
        for invoice in organization.resources("invoices"):
            assert sums[invoice["id"]] == Decimal(str(invoice["attributes"][field])), field


def test_lines_are_quantity_by_price_and_taxed_at_their_rate(organization: Organization) -> None:
    for line in organization.resources("line_items"):
        attributes = line["attributes"]
        amount = Decimal(attributes["quantity"]) * attributes["unit_price"]
        assert abs(amount - attributes["amount"]) <= Decimal("0.5")
        tax = Decimal(attributes["amount"]) * Decimal(attributes["tax_value"]) / 100
        assert tax == Decimal(str(attributes["amount_tax"]))


def test_payments_pay_invoices_in_full_or_not_at_all(organization: Organization) -> None:
    paid = _sum_by(organization, "payments", "invoice", "amount")
    for invoice in organization.resources("invoices"):
        attributes = invoice["attributes"]
        settled = Decimal(str(attributes["amount_paid"])) + Decimal(str(attributes["amount_written_off"]))
        assert settled == paid[invoice["id"]]
        owed = Decimal(str(attributes["amount_with_tax"])) - settled
        assert owed == Decimal(str(attributes["amount_unpaid"]))


def test_invoiced_hours_lead_to_the_invoice_of_their_budget(organization: Organization) -> None:
    services = {record["id"]: _linked(record, "deal") for record in organization.resources("services")}
    attributions = {
        record["id"]: _linked(record, "budget") for record in organization.resources("invoice_attributions")
    }
    found = 0
    for record in organization.resources("time_entries"):
        attribution = _linked(record, "invoice_attribution")
        assert record["attributes"]["invoiced"] is (attribution is not None)
        if attribution:
            assert attributions[attribution] == services[_linked(record, "service") or ""]
            found += 1
    assert found


def test_tasks_have_lists_and_statuses_of_their_own_project(organization: Organization) -> None:
    lists = {record["id"]: _linked(record, "project") for record in organization.resources("task_lists")}
    workflows = {record["id"]: _linked(record, "workflow") for record in organization.resources("projects")}
    statuses = {
        record["id"]: _linked(record, "workflow") for record in organization.resources("workflow_statuses")
    }
    for record in organization.resources("tasks"):
        project = _linked(record, "project") or ""
        assert lists[_linked(record, "task_list") or ""] == project
        assert statuses[_linked(record, "workflow_status") or ""] == workflows[project]
        assert record["attributes"]["closed"] is (record["attributes"]["closed_at"] is not None)


def test_custom_fields_are_objects_by_field_id(organization: Organization) -> None:
    fields = {record["id"]: record for record in organization.resources("custom_fields")}
    options = set(organization.ids("custom_field_options"))
    people = set(organization.ids("people"))
    kinds = set()
    for table in ("deals", "companies", "projects", "tasks", "people", "expenses"):
        for record in organization.resources(table):
            for field, value in (record["attributes"]["custom_fields"] or {}).items():
                kind = fields[field]["attributes"]["data_type_id"]
                kinds.add(kind)
                if kind == 3:
                    assert set(value) <= options
                elif kind == 7:
                    assert value in people
                else:
                    assert isinstance(value, str | int | float)
    assert kinds == {1, 2, 3, 4, 7}


def test_availabilities_are_json_in_a_text(organization: Organization) -> None:
    found = [
        json.loads(record["attributes"]["availabilities"]) for record in organization.resources("people")
    ]
    calendars = set(organization.ids("holiday_calendars"))
    weeks = [week for availability in found for week in availability]
    assert weeks
    assert all(len(week[2]) == 14 and str(week[3]) in calendars for week in weeks)


def test_texts_are_not_only_ascii(organization: Organization) -> None:
    titles = "".join(record["attributes"]["title"] for record in organization.resources("tasks"))
    notes = "".join(record["attributes"]["note"] or "" for record in organization.resources("time_entries"))
    assert not titles.isascii()
    assert "👋" in notes
    assert "<p>" in notes


def _bytes(organization: Organization) -> bytes:
    return b"\n".join(
        msgspec.json.encode(record)
        for table in organization.tables
        for record in organization.resources(table)
    )


def test_the_same_seed_gives_the_same_bytes_and_another_one_others() -> None:
    build.__globals__["_finished"].cache_clear()
    first = _bytes(_organization(5, 3))
    build.__globals__["_finished"].cache_clear()
    assert _bytes(_organization(5, 3)) == first
    assert _bytes(_organization(6, 3)) != first


def test_the_default_agency_has_a_demos_size() -> None:
    organization = build(SandboxSettings(), SystemClock())
    total = sum(organization.count(table) for table in organization.tables if table != "boards")
    assert 15_000 <= total <= 25_000
    assert organization.count("people") > 50


def test_a_credit_note_takes_an_invoice_back() -> None:
    organization = _organization(2026, 14)
    invoices = {record["id"]: record for record in organization.resources("invoices")}
    notes = [record for record in invoices.values() if _linked(record, "parent_invoice")]
    assert notes
    for note in notes:
        parent = invoices[_linked(note, "parent_invoice") or ""]["attributes"]
        assert note["attributes"]["amount_with_tax"] == -parent["amount_with_tax"]
        assert parent["credited"] is True
        assert parent["amount_credited"] == parent["amount"]
