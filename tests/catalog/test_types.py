"""Which type an attribute gets, by its description and its name."""

from __future__ import annotations

import re
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.catalog import ColumnType
from shared.catalog.facts import read_facts
from shared.catalog.types import DESCRIBED, DUCKDB_TYPES, FAMILIES, Described, attribute_type

FACTS = read_facts()
KINDS: tuple[Described, ...] = get_args(Described)
ATTRIBUTES = [
    (table, name, described)
    for table, resource in FACTS.resources.items()
    for name, described in resource.described().items()
]

kinds = st.sampled_from(KINDS)
names = st.from_regex(r"[a-z][a-z0-9]{0,8}(_[a-z0-9]{1,8}){0,3}", fullmatch=True)


def test_every_type_has_a_duckdb_twin_and_every_description_a_type() -> None:
    assert set(DUCKDB_TYPES) == set(ColumnType)
    assert set(DESCRIBED) == set(KINDS)


@given(st.sampled_from(ATTRIBUTES), names, kinds)
def test_booleans_times_and_days_stand_as_described(
    known: tuple[str, str, Described], name: str, described: Described
) -> None:
    for attribute in (known[1], name):
        if described in {"boolean", "timestamp", "date"}:
            assert attribute_type("deals", attribute, described).type is DESCRIBED[described]


@given(names, kinds)
def test_lists_and_objects_are_always_json(name: str, described: Described) -> None:
    if described in {"array", "object"}:
        assert attribute_type("deals", name, described).type is ColumnType.JSON


@given(names, st.sampled_from(["integer", "number", "string", "unknown"]))
def test_ids_are_text_however_they_are_described(name: str, described: Described) -> None:
    assert attribute_type("deals", f"{name}_id", described).type is ColumnType.STRING


@given(names, kinds)
def test_lists_of_ids_are_json_unless_they_are_flags_or_times(name: str, described: Described) -> None:
    typed = attribute_type("deals", f"{name}_ids", described)
    assert typed.type is (
        DESCRIBED[described] if described in {"boolean", "timestamp", "date"} else ColumnType.JSON
    )


@given(
    st.sampled_from(["amount", "cost", "unit_price", "profit", "projected_revenue", "budget_used", "rate"]),
    st.sampled_from(["", "_default", "_normalized"]),
    st.sampled_from(["integer", "number", "string", "unknown"]),
)
def test_money_and_its_twins_are_exact_however_they_are_described(
    name: str, twin: str, described: Described
) -> None:
    assert attribute_type("deals", name + twin, described).type is ColumnType.NUMERIC


def test_a_twin_has_the_type_of_what_it_is_a_twin_of() -> None:
    compared = 0
    for table, name, described in ATTRIBUTES:
        base = re.sub(r"_(default|normalized)$", "", name)
        siblings = FACTS.resources[table].described()
        if base != name and base in siblings:
            twin, original = (
                attribute_type(table, name, described),
                attribute_type(table, base, siblings[base]),
            )
            assert twin.type is original.type, f"{table}.{name}"
            compared += 1
    assert compared > 200


def test_no_attribute_of_unknown_type_is_left_to_chance() -> None:
    left = [
        f"{table}.{name}"
        for table, name, described in ATTRIBUTES
        if described == "unknown" and attribute_type(table, name, described).family is None
    ]
    assert left == []


def test_every_family_has_members() -> None:
    used = {attribute_type(*attribute).family for attribute in ATTRIBUTES}
    assert [family.pattern for family in FAMILIES if family not in used] == []


@pytest.mark.parametrize(
    ("attribute", "type_"),
    [
        (("tasks", "number", "string"), ColumnType.STRING),
        (("deals", "deal_number", "unknown"), ColumnType.STRING),
        (("pages", "version_number", "integer"), ColumnType.INT64),
        (("deals", "billing_type_id", "integer"), ColumnType.STRING),
        (("deals", "discount", "number"), ColumnType.NUMERIC),
        (("deals", "invoiced", "unknown"), ColumnType.NUMERIC),
        (("expenses", "invoiced", "boolean"), ColumnType.BOOL),
        (("deals", "budget", "boolean"), ColumnType.BOOL),
        (("expenses", "quantity", "string"), ColumnType.NUMERIC),
        (("salaries", "hourly_rate", "string"), ColumnType.NUMERIC),
        (("line_items", "tax_rate", "string"), ColumnType.STRING),
        (("survey_field_options", "value", "string"), ColumnType.STRING),
        (("tasks", "worked_time", "integer"), ColumnType.INT64),
        (("companies", "tag_list", "string"), ColumnType.JSON),
        (("tasks", "tag_list", "array"), ColumnType.JSON),
        (("services", "custom_fields", "unknown"), ColumnType.JSON),
        (("pages", "body", "unknown"), ColumnType.JSON),
        (("emails", "body", "unknown"), ColumnType.STRING),
        (("deals", "footer_interpolated", "unknown"), ColumnType.STRING),
        (("expenses", "approved", "unknown"), ColumnType.BOOL),
        (("projects", "template", "string"), ColumnType.BOOL),
        (("project_assignments", "created_at", "string"), ColumnType.TIMESTAMP),
        (("organizations", "time_reminder_at", "integer"), ColumnType.INT64),
        (("booking_reports", "created_at_period", "unknown"), ColumnType.JSON),
        (("deals", "deal_value_per_period", "unknown"), ColumnType.NUMERIC),
        (("integrations", "export_purchase_order_number", "unknown"), ColumnType.JSON),
        (("rate_cards", "prices_count", "unknown"), ColumnType.INT64),
    ],
    ids=lambda value: ".".join(value[:2]) if isinstance(value, tuple) else str(value),
)
def test_the_name_corrects_the_description(attribute: tuple[str, str, Described], type_: ColumnType) -> None:
    assert attribute_type(*attribute).type is type_
